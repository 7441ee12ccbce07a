"""The paper's mode: float32 throughout, and the process left as it was."""

import subprocess
import sys
from operator import attrgetter

import pytest
import torch

from greenbench.errors import UserError
from greenbench.execute.modes import numerical_mode

backends = torch.backends
PLACES = ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")


def precisions():
    return [attrgetter(place)(backends).fp32_precision for place in PLACES]


def state():
    return precisions(), backends.cudnn.allow_tf32, backends.cudnn.benchmark, backends.cudnn.deterministic


@pytest.fixture
def _as_found():
    found = torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(found[0])
    backends.cudnn.allow_tf32 = found[1]


@pytest.mark.usefixtures("_as_found")
@pytest.mark.parametrize("matmul", ["highest", "high", "medium"])
@pytest.mark.parametrize("convolutions", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_tf32_is_off_inside_and_put_back_afterwards(matmul, convolutions, fails):
    torch.set_float32_matmul_precision(matmul)
    backends.cudnn.allow_tf32 = convolutions
    before = state()

    def work():
        with numerical_mode("paper"):
            assert set(precisions()) == {"ieee"}
            assert not backends.cudnn.allow_tf32
            assert not backends.cuda.matmul.allow_tf32
            assert torch.get_float32_matmul_precision() == "highest"
            with backends.cudnn.flags(enabled=True):
                pass  # what others switch for a moment comes back as it was
            assert not backends.cudnn.allow_tf32
            if fails:
                raise RuntimeError("broken")

    if fails:
        with pytest.raises(RuntimeError, match="broken"):
            work()
    else:
        work()
    assert state() == before
    assert torch.get_float32_matmul_precision() == matmul


def test_a_process_that_used_the_newer_switch_is_no_exception():
    """In a process of its own: once the newer switch was used, torch refuses the older one."""
    code = """
import torch
from greenbench.execute.modes import numerical_mode
torch.backends.fp32_precision = "tf32"
conv, matmul = torch.backends.cudnn.conv, torch.backends.cuda.matmul
assert (conv.fp32_precision, matmul.fp32_precision) == ("tf32", "tf32")
with numerical_mode("paper"):
    assert (conv.fp32_precision, matmul.fp32_precision) == ("ieee", "ieee")
assert (conv.fp32_precision, matmul.fp32_precision, torch.backends.fp32_precision) == ("tf32",) * 3
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_mode_is_named():
    with pytest.raises(UserError, match="mode 'fast' is unknown; choose one of paper"):
        numerical_mode("fast")
