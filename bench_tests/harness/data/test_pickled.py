"""Pickles of arrays are read, and code in a pickle is never run."""

import datetime
import pickle

import numpy as np
import pytest

from greenbench.data.pickled import read_arrays
from greenbench.errors import DataError

ARRAYS = {
    "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "fine_labels": [1, 2, 300],
    "names": ["a", b"b", None, True, 2.5, (1, {"c": 2})],
    "floats": np.linspace(0, 1, 5),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_in_containers_are_read(protocol):
    if protocol == 5:
        pytest.skip("arrays of protocol 5 are built by another function; the official files have protocol 2")
    found = read_arrays(pickle.dumps(ARRAYS, protocol), "a")
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[key], ARRAYS[key]) for key in ("data", "floats"))
    assert found["data"].dtype == np.uint8
    assert (found["fine_labels"], found["names"]) == (ARRAYS["fine_labels"], ARRAYS["names"])


class Runs:
    """Runs code when it is opened."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Runs(eval, "1 + 1")),
        pickle.dumps({"data": [Runs(exec, "raise SystemExit")]}, 2),
        pickle.dumps(Runs(np.load, "x"), 2),
        pickle.dumps(np.random.default_rng(0), 2),
        pickle.dumps(np.array([datetime.date(2020, 1, 1)], object), 2),
        pickle.dumps(np.ma.array([1, 2]), 2),
        b"cos\nsystem\n(S'exit 1'\ntR.",
        b"c_codecs\nencode\n(Vx\nVzip\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(NNNtR.",
    ],
)
def test_what_is_no_array_is_refused_and_not_run(content):
    with pytest.raises(DataError, match=r"a.pkl cannot be read as arrays") as error:
        read_arrays(content, "a.pkl")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(ARRAYS, 2)[:100]])
def test_a_damaged_pickle_is_refused(content):
    with pytest.raises(DataError, match=r"a.pkl cannot be read as arrays"):
        read_arrays(content, "a.pkl")
