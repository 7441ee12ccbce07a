"""What a technique does to its process reaches no other case: real trainings, each in a process of its own."""

import pytest

from greenbench.executors.process import supported
from greenbench.records.results import Failure
from greenbench.study.session import Session
from greenbench.study.settings import Options, settings_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not supported(), reason="this system has no file descriptors of processes"),
]

TECHNIQUES = '''
import ctypes
import os
import random
import sys
from dataclasses import replace

import numpy as np
import torch

import greenbench


def own(name, work):
    def loss():
        work()
        return torch.nn.functional.cross_entropy

    def apply(recipe):
        """Own: what this test needs."""
        return replace(recipe, loss=loss)

    apply.__name__ = name
    return greenbench.technique("Loss Function", "this test", tasks=("classification",))(apply)


def pollute():
    torch.set_num_threads(7)
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.enabled = False
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    os.environ["OMP_NUM_THREADS"] = "7"
    torch.nn.functional.relu = torch.nn.functional.gelu
    torch.set_default_dtype(torch.float64)


def interrupt():
    raise KeyboardInterrupt


first = own("first", lambda: None)
polluting = own("polluting", pollute)
crashing = own("crashing", lambda: ctypes.string_at(0))
leaving = own("leaving", lambda: os._exit(0))
stopping = own("stopping", lambda: sys.exit("enough"))
interrupting = own("interrupting", interrupt)
second = own("second", lambda: None)
'''


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return the records of one seed of each on digits, by technique, in the order of the file."""
    folder = tmp_path_factory.mktemp("isolation")
    (folder / "own.py").write_text(TECHNIQUES)
    given = {
        "file": ["own.py"],
        "seeds": "1",
        "meter": "none",
        "out": "out",
        "executor": "process",
        "mode": "paper",
    }
    options = Options(**{f"green_{name}": value for name, value in given.items()})
    session = Session(settings_of(options, folder, "a session"))
    pairs = {p[0].technique: p for p in session.pairs("training") if p[0].workload == "digits"}
    order = ("first", "polluting", "crashing", "leaving", "stopping", "interrupting", "second")
    found = {name: session.records(pairs[name])[0] for name in order}
    assert {record.key for record in session.folder.read()[0]} == {record.key for record in found.values()}
    session.close()
    return found


def test_two_equal_trainings_beside_a_polluting_one_agree_bit_for_bit(records):
    first, second = records["first"].result, records["second"].result
    assert [(e.train_loss, e.validation) for e in first.curve] == [
        (e.train_loss, e.validation) for e in second.curve
    ]
    assert records["first"].machine == records["second"].machine


@pytest.mark.parametrize(
    ("technique", "stage", "said"),
    [
        ("crashing", "process", "its process was ended by SIGSEGV"),
        ("leaving", "process", "it ended its process with exit code 0"),
        ("stopping", "training", "SystemExit: enough"),
        ("interrupting", "process", "it raised KeyboardInterrupt"),
    ],
)
def test_a_technique_that_ends_its_process_is_a_failed_record_in_words(records, technique, stage, said):
    failure = records[technique].result
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.error) == (stage, said)


def test_a_crash_names_the_line_in_its_traceback(records):
    assert "own.py" in records["crashing"].result.traceback
