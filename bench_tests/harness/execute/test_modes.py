"""The paper's mode: float32 throughout, and the process left as it was."""

import os
import subprocess
import sys
from operator import attrgetter

import pytest
import torch

from greenbench.errors import UserError
from greenbench.execute.modes import SWITCHES, numerical_mode

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


LEFT_BEHIND = {
    "a default dtype": lambda: torch.set_default_dtype(torch.float64),
    "a default device": lambda: torch.set_default_device("meta"),
    "an autocast on the CPU": lambda: torch.set_autocast_enabled("cpu", True),
    "an autocast on the GPU": lambda: torch.set_autocast_enabled("cuda", True),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "sums in float16": lambda: setattr(backends.cuda.matmul, "allow_fp16_accumulation", True),
    "no reduced sums": lambda: setattr(backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
    "flushed numbers": lambda: torch.set_flush_denormal(True),
    "a search for NaN": lambda: torch.set_anomaly_enabled(True),
    "a search for something else": lambda: torch.set_anomaly_enabled(True, check_nan=False),
    "no reduced sums in parts": lambda: setattr(
        backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", (False, False)
    ),
    "another autocast on the CPU": lambda: torch.set_autocast_dtype("cpu", torch.float16),
    "another autocast on the GPU": lambda: torch.set_autocast_dtype("cuda", torch.bfloat16),
    "an autocast without a cache": lambda: torch.set_autocast_cache_enabled(False),
    "no oneDNN": lambda: setattr(backends.mkldnn, "enabled", False),
    "a deterministic oneDNN": lambda: setattr(backends.mkldnn, "deterministic", True),
    "another library of products": lambda: backends.cuda.preferred_blas_library("cublaslt"),
    "another linear algebra": lambda: backends.cuda.preferred_linalg_library("magma"),
    "no flash attention": lambda: backends.cuda.enable_flash_sdp(False),
    "no attention of little memory": lambda: backends.cuda.enable_mem_efficient_sdp(False),
    "no plain attention": lambda: backends.cuda.enable_math_sdp(False),
    "no attention of cuDNN": lambda: backends.cuda.enable_cudnn_sdp(False),
    "attention with reduced sums": lambda: backends.cuda.allow_fp16_bf16_reduction_math_sdp(True),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "a precision": lambda: torch.set_float32_matmul_precision("medium"),
    "a search for the fastest": lambda: setattr(backends.cudnn, "benchmark", True),
    "one thread": lambda: torch.set_num_threads(1),
}


def found():
    return (
        [switch.read() for switch in SWITCHES],
        precisions(),
        backends.cudnn.benchmark,
        torch.get_num_threads(),
    )


@pytest.fixture
def _put_back():
    before = [switch.read() for switch in SWITCHES], torch.get_float32_matmul_precision()
    threads, benchmark = torch.get_num_threads(), backends.cudnn.benchmark
    torch.set_num_threads(2)
    yield
    for switch, value in zip(SWITCHES, before[0], strict=True):
        switch.set(value)
    torch.set_float32_matmul_precision(before[1])
    torch.set_num_threads(threads)
    backends.cudnn.benchmark = benchmark


def computed():
    """Return what a small training computes under whatever is set."""
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(0.1)
    x = torch.tensor([[1.0, 2.0, 1e-40], [3.0, 4.0, 5.0]])
    loss = (layer(x) * x.sum()).sum()
    loss.backward()
    return loss.dtype, loss.detach().clone(), layer.weight.grad.clone(), (x * 1.0).clone()


@pytest.mark.usefixtures("_put_back")
@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_what_was_left_behind_changes_no_case_and_is_there_again_after_it(what):
    plain = found()
    with numerical_mode("paper"):
        expected = computed()
        switches = [switch.read() for switch in SWITCHES]
    LEFT_BEHIND[what]()
    before = found()
    with numerical_mode("paper"):
        inside = computed()
        assert [switch.read() for switch in SWITCHES] == switches
        assert set(precisions()) == {"ieee"}
        assert not backends.cudnn.benchmark
    assert found() == before
    assert before != plain, "it was left behind"
    assert inside[0] == expected[0] == torch.float32
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(inside[1:], expected[1:], strict=True))


@pytest.mark.usefixtures("_put_back")
@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_what_a_case_leaves_behind_is_put_back(what):
    before = found()
    with numerical_mode("paper"):
        LEFT_BEHIND[what]()
    assert found() == before


@pytest.mark.usefixtures("_put_back")
def test_a_case_in_inference_mode_trains():
    with torch.inference_mode(), numerical_mode("paper"):
        assert computed()[2].isfinite().all()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NVIDIA_TF32_OVERRIDE", "1"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("DNNL_DEFAULT_FPMATH_MODE", "any"),
    ],
)
def test_an_environment_that_replaces_float32_is_refused(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"{variable}={value} replaces float32 by less.*unset {variable}"):
        numerical_mode("paper")


@pytest.mark.parametrize(
    ("variable", "value"), [("NVIDIA_TF32_OVERRIDE", "0"), ("DNNL_DEFAULT_FPMATH_MODE", "strict")]
)
def test_an_environment_that_asks_for_float32_is_none_of_these(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with numerical_mode("paper"):
        pass


def test_tf32_that_the_environment_asks_torch_for_is_switched_off():
    """In a process of its own: torch reads the variable when it starts, and is told otherwise for the case."""
    code = """
import torch
from greenbench.execute.modes import numerical_mode
matmul = torch.backends.cuda.matmul
assert (torch.get_float32_matmul_precision(), matmul.fp32_precision) == ("high", "tf32")
with numerical_mode("paper"):
    assert (torch.get_float32_matmul_precision(), matmul.fp32_precision) == ("highest", "ieee")
assert (torch.get_float32_matmul_precision(), matmul.fp32_precision) == ("high", "tf32")
"""
    environment = {**os.environ, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("profiler", [torch.profiler.profile, torch.autograd.profiler.profile])
def test_a_profiler_that_was_left_on_is_named(profiler):
    with profiler(), pytest.raises(UserError, match=r"a profiler of torch is on.*; end it before"):
        numerical_mode("paper")
    with numerical_mode("paper"):
        pass


def test_an_unknown_mode_is_named():
    with pytest.raises(UserError, match="mode 'quick' is unknown; choose one of paper, fast"):
        numerical_mode("quick")
