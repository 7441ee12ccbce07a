"""Somebody else's function in a copy of this process: what it does there does not reach us."""

import ctypes
import os
import sys
import time

import pytest

from greenbench.errors import UserError
from greenbench.study.apart import apart


def test_its_result_comes_back_and_what_it_changed_does_not(monkeypatch):
    def change():
        os.environ["A_VARIABLE"] = "theirs"
        return ("network",)

    assert apart(change, ()) == ("network",)
    assert "A_VARIABLE" not in os.environ


def test_its_error_comes_back_in_our_words():
    def refuse():
        raise UserError("a problem", "a next step")

    with pytest.raises(UserError) as refused:
        apart(refuse, ())
    assert (refused.value.problem, refused.value.next_step) == ("a problem", "a next step")


@pytest.mark.parametrize(
    "end",
    [lambda: os._exit(3), lambda: ctypes.string_at(0), os.abort, lambda: time.sleep(60)],
    ids=["exit", "crash", "abort", "hangs"],
)
def test_one_that_ends_its_process_has_no_result(end):
    assert apart(end, ("nothing",), deadline_s=1.0) == ("nothing",)


def test_what_cannot_be_sent_is_no_result():
    assert apart(lambda: sys._getframe(), ("nothing",)) == ("nothing",)
