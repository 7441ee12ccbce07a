"""Which GPUs CUDA_VISIBLE_DEVICES means, as the driver of CUDA reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources.nvml.visible import visible_uuids

NAMES = ["A", "A", "A"]
UUIDS = ["GPU-aaa-1", "GPU-aab-2", "GPU-ccc-3"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", ["GPU-aaa-1"]),
        ("2,0", ["GPU-ccc-3", "GPU-aaa-1"]),
        (" 1 , 2 ", ["GPU-aab-2", "GPU-ccc-3"]),
        ("GPU-ccc-3", ["GPU-ccc-3"]),
        ("GPU-c", ["GPU-ccc-3"]),
        ("GPU-ccc-3,1", ["GPU-ccc-3", "GPU-aab-2"]),
        ("1,-1,2", ["GPU-aab-2"]),
        ("1,9", ["GPU-aab-2"]),
        ("0,GPU-aa,2", ["GPU-aaa-1"]),
    ],
)
def test_cuda_visible_devices_means_what_cuda_takes_it_for(value, expected):
    assert visible_uuids(UUIDS, NAMES, {"CUDA_VISIBLE_DEVICES": value}) == expected


def test_without_the_variable_all_gpus_are_visible():
    assert visible_uuids(UUIDS, NAMES, {}) == UUIDS


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_gpus_that_are_hidden_on_purpose_are_absent(value):
    with pytest.raises(SourceUnavailable, match="leaves none of this machine's 3 GPUs visible") as caught:
        visible_uuids(UUIDS, NAMES, {"CUDA_VISIBLE_DEVICES": value})
    assert caught.value.next_step.startswith("unset CUDA_VISIBLE_DEVICES")
    assert caught.value.absent


@pytest.mark.parametrize(
    "value", ["7", "GPU-zzz", "none", "x,0", ",0", "0,0", "0gpu,0", "0a,0b", "gpu-aaa-1", "-2", " "]
)
def test_a_gpu_that_no_text_names_is_not_absent(value):
    """Of a machine with GPUs, the CPU is never measured in their place."""
    with pytest.raises(SourceUnavailable, match="CUDA_VISIBLE_DEVICES=") as caught:
        visible_uuids(UUIDS, NAMES, {"CUDA_VISIBLE_DEVICES": value})
    assert not caught.value.absent


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "0;1",
        "0 1",
        "+0",
        "0gpu",
        " 0",
        "00",
        "0x0",
        "-0",
        "0,x",
        "0.5",
        "0,,",
        "\t0",
        "0 ,5",
        "4294967296",
    ],
)
def test_an_entry_is_the_number_that_it_begins_with(value):
    """What CUDA 13.0 under driver 580.159 took for its first GPU, tried on an H100."""
    assert visible_uuids(UUIDS, NAMES, {"CUDA_VISIBLE_DEVICES": value}) == UUIDS[:1]


@given(st.text("0123456789,;+- xGPU-ac\n\u0661", max_size=20))
def test_no_text_brings_a_gpu_twice_or_anything_but_a_sentence(value):
    try:
        seen = visible_uuids(UUIDS, NAMES, {"CUDA_VISIBLE_DEVICES": value})
    except SourceUnavailable:
        return
    assert len(set(seen)) == len(seen) >= 1


@pytest.mark.parametrize("value", ["MIG-1c2d", "MIG-GPU-aaa-1/1/0", "0,MIG-1c2d"])
def test_a_mig_slice_is_refused(value):
    with pytest.raises(SourceUnavailable, match="whole GPU") as caught:
        visible_uuids(UUIDS, NAMES, {"CUDA_VISIBLE_DEVICES": value})
    assert not caught.value.absent


def test_an_index_among_different_gpus_needs_the_bus_order():
    mixed = ["A", "B", "A"]
    with pytest.raises(SourceUnavailable, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        visible_uuids(UUIDS, mixed, {"CUDA_VISIBLE_DEVICES": "1"})
    ordered = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible_uuids(UUIDS, mixed, ordered) == ["GPU-aab-2"]
    assert visible_uuids(UUIDS, mixed, {"CUDA_VISIBLE_DEVICES": "GPU-c"}) == ["GPU-ccc-3"]
    assert visible_uuids(UUIDS, mixed, {}) == UUIDS
    with pytest.raises(SourceUnavailable, match="CUDA's index 0"):
        visible_uuids(UUIDS, mixed, {}, first=True)
