"""The networks of Tables 3 and 4, counted again, beside what is printed."""

import json
from dataclasses import asdict

import pytest

from greenbench.cli import main
from greenbench.paper.recount import counted, recount


def test_the_tables_are_reproduced_to_57_of_60_printed_numbers():
    rows = counted().values()
    verdicts = [verdict for row in rows for verdict in (row.params_verdict, row.flops_verdict)]
    assert len(verdicts) == 60
    assert verdicts.count("rounds") == 52
    assert verdicts.count("truncates") == 5
    differing = {
        (row.dataset, row.technique) for row in rows if "differs" in (row.params_verdict, row.flops_verdict)
    }
    assert differing == {
        ("coco_stuff", "ge_theta"),
        ("cifar100", "coordconv"),
        ("tiny_imagenet", "coordconv"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["fitted", "stated"])
def test_the_shipped_counts_are_what_counting_gives(basis):
    assert list(recount(basis)) == list(counted(basis).values())


@pytest.mark.parametrize(
    ("dataset", "technique", "params", "conv_macs"),
    [
        ("cityscapes", "baseline", 14_007_777, 25_931_145_216),
        ("cityscapes", "one_branch", 13_883_041, 22_852_526_080),
        ("cityscapes", "switchnorm", 14_007_867, 25_931_145_216),
        ("cityscapes", "ge_theta", 21_875_937, 25_939_009_536),
        ("cityscapes", "coordconv", 14_017_185, 27_164_270_592),
        ("cifar100", "baseline", 23_705_252, 1_297_809_408),
        ("tiny_imagenet", "ge_theta", 25_883_912, 1_298_300_928),
    ],
)
def test_counts_of_the_full_networks(dataset, technique, params, conv_macs):
    row = counted()[dataset, technique]
    assert (row.params, row.conv_macs) == (params, conv_macs)


def test_stated_inputs_give_other_flops_than_printed():
    row = counted("stated")["cityscapes", "baseline"]
    assert (row.input, row.flops_verdict) == ("512x512", "differs")
    assert row.conv_macs == pytest.approx(12.966e9, rel=1e-4)


def test_more_classes_than_cityscapes_would_print_other_parameters():
    row = counted("stated")["coco_stuff", "baseline"]
    assert (row.classes, row.params_verdict) == (171, "differs")
    assert f"{row.params / 1e6:.2f}" == "14.10"


@pytest.fixture
def shipped_counts(monkeypatch):
    """Let the command read the shipped counts, which another test holds against counting."""
    monkeypatch.setattr("greenbench.cli.counts.recount", lambda basis, counter: iter(counted(basis).values()))


@pytest.mark.usefixtures("shipped_counts")
def test_the_command_prints_rows_as_json(capsys):
    assert main(["counts", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == [asdict(row) for row in counted().values()]
    assert {
        "dataset", "technique", "input", "params", "conv_macs", "full_macs",
        "printed_params", "printed_flops", "params_verdict", "flops_verdict",
    } <= set(rows[0])  # fmt: skip


@pytest.mark.usefixtures("shipped_counts")
def test_the_command_prints_a_table_that_adds_up(capsys):
    assert main(["counts"]) == 0
    out = capsys.readouterr().out
    assert "57 of 60 printed numbers are reproduced to their last digit (5 by truncation)" in out
    assert len([line for line in out.splitlines() if line.startswith("cityscapes")]) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inputs", "guessed"], "inputs 'guessed' are unknown"),
        (["--counter", "abacus"], "counter 'abacus'"),
    ],
)
def test_bad_settings_of_the_command_are_refused(arguments, message, capsys):
    assert main(["counts", *arguments]) == 2
    assert message in capsys.readouterr().err
