"""A study in parts, as pytest runs it."""

import pytest


def names_of(result):
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_the_parts_make_up_what_is_selected_and_pairs_stay_whole(run_study):
    arguments = ("--collect-only", "-q", "-k", "not inference", "--green-seeds=2")
    whole = names_of(run_study(*arguments))
    parts = [names_of(run_study(*arguments, f"--green-shard={part}/2")) for part in (1, 2)]
    assert sorted(whole) == sorted(name for part in parts for name in part)
    pairs = [{name.removesuffix("]").removesuffix("-seed0") for name in part} for part in parts]
    assert all(pairs)
    assert not set.intersection(*pairs)


def test_a_part_without_cases_says_so_and_is_no_failure(run_study):
    result = run_study("-k", "training and baseline and digits", "--green-shard=2/2")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*shard 2/2 has no case: there are fewer pairs than shards*"])


def test_without_any_case_it_is_the_usual_failure(run_study):
    assert run_study("-k", "nothing", "--green-shard=2/2").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_part_is_judged_and_says_which_it_is(run_study):
    result = run_study("--green-scale=tiny", "-k", "training and mixup and digits", "--green-shard=1/2")
    result.stdout.fnmatch_lines(["greenbench: scale tiny*shard 1/2", "*1 passed*"])


def test_a_part_that_makes_no_sense_ends_in_words(run_study):
    result = run_study("--green-shard=3/2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--green-shard is '3/2'; give a part and the number of parts" in result.stderr.str()
