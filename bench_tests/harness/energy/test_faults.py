"""Every way in which a measurement goes wrong: its status, its reason, and that no number comes out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pynvml
import pytest

from bench_tests.nvml_stub import FOREVER, Stub
from greenbench.energy import NoMeter, Reading, Status, open_meter
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.errors import UserError

WINDOW_S = 10.0
OPENED = 1.5
"""A second between the opening of the meter and that of the window."""
MIDDLE = 8.0
"""A second in the window."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, and what a window must say about it."""

    name: str
    arrange: Callable[[Stub], None]
    status: Status
    reason: str
    next_step: str | None = None


def fault(call: str, code: int, start: float = 0.0, end: float = FOREVER, value: float = 0.0):
    return lambda stub: stub.fault(call, code, start, end, value)


def several(*steps: Callable[[Stub], None]) -> Callable[[Stub], None]:
    def arrange(stub: Stub) -> None:
        for step in steps:
            step(stub)

    return arrange


def no_power(stub: Stub) -> None:
    for call in ("field:185", "field:186", "nvmlDeviceGetPowerUsage"):
        stub.fault(call, pynvml.NVML_ERROR_NOT_SUPPORTED)


def no_counter(stub: Stub) -> None:
    for call in ("field:83", "nvmlDeviceGetTotalEnergyConsumption"):
        stub.fault(call, pynvml.NVML_ERROR_NOT_SUPPORTED)


def command(line: str) -> Callable[[Stub], None]:
    return lambda stub: stub.command(line)


def power_of(watts: float) -> Callable[[Stub], None]:
    return lambda stub: stub.wave([(0.0, watts)])


FIELDS = "nvmlDeviceGetFieldValues"

UNMEASURED, VOID = Status.NOT_MEASURED, Status.INVALID

UNAVAILABLE = [
    Fault(
        "driver not loaded", fault("nvmlInitWithFlags", 9), UNMEASURED, "Loaded (9)", "load the NVIDIA driver"
    ),
    Fault("version mismatch", fault("nvmlInitWithFlags", 18), UNMEASURED, "(18)", "reboot"),
    Fault("library not found", fault("nvmlInitWithFlags", 12), UNMEASURED, "(12)", "install the NVIDIA"),
    Fault("no permission", fault("nvmlInitWithFlags", 4), UNMEASURED, "Permissions (4)", "ask the admin"),
    Fault("unknown error", fault("nvmlInitWithFlags", 999), UNMEASURED, "Unknown Error (999)"),
    Fault("no GPU", command("gpus 0"), UNMEASURED, "no GPU in this machine"),
    Fault("count fails", fault("nvmlDeviceGetCount", 999), UNMEASURED, "Unknown Error"),
    Fault("handle refused", fault("nvmlDeviceGetHandleByIndex", 4), UNMEASURED, "Permissions (4)"),
    Fault("GPU lost before", fault("nvmlDeviceGetName", 15), UNMEASURED, "GPU is lost (15)", "reboot"),
    Fault("MIG on", command("set 0 mig 1"), UNMEASURED, "split by MIG", "turn MIG off"),
    Fault("no counter, no power", several(no_counter, no_power), UNMEASURED, "neither energy nor power"),
    Fault("fields not ready", several(fault(FIELDS, 27), no_counter, no_power), UNMEASURED, "neither"),
    Fault(
        "counter still, no power",
        several(power_of(0.0), no_power),
        UNMEASURED,
        "the energy counter stands still",
    ),
]

IN_THE_WINDOW = [
    Fault("GPU lost", fault(FIELDS, 15, MIDDLE), VOID, "GPU is lost (15)", "reboot"),
    Fault("GPU lost for a poll", fault(FIELDS, 15, MIDDLE, MIDDLE + 0.05), VOID, "GPU is lost"),
    Fault("unknown error in a poll", fault(FIELDS, 999, MIDDLE, MIDDLE + 0.05), VOID, "(999)"),
    Fault("counter refused", fault("field:83", 4, MIDDLE), VOID, "Insufficient Permissions (4)"),
    Fault("counter not ready", fault("field:83", 27, MIDDLE), VOID, "(27)"),
    Fault("counter gone from the start", fault("field:83", 3, OPENED), UNMEASURED, "Not Supported (3)"),
    Fault("power lost with the GPU", fault("field:186", 15, MIDDLE), VOID, "GPU is lost (15)"),
    Fault("driver reloaded", command(f"reload 0 {MIDDLE}"), VOID, "went back by"),
    Fault("driver unloaded", fault(FIELDS, 1, MIDDLE), VOID, "Uninitialized (1)"),
    Fault("driver changed", fault("nvmlSystemGetDriverVersion", 0, MIDDLE), VOID, "driver changed"),
    Fault("another GPU", fault("nvmlDeviceGetUUID", 0, MIDDLE), VOID, "device changed"),
    Fault("UUID fails", fault("nvmlDeviceGetUUID", 15, MIDDLE), VOID, "GPU is lost"),
    Fault("reset required", fault(FIELDS, 16, MIDDLE), VOID, "requires restart (16)"),
    Fault("temperature: lost", fault("nvmlDeviceGetTemperature", 15, MIDDLE), VOID, "GPU is lost"),
    Fault("counter stops", fault("field:83", 0, OPENED, value=5e6), VOID, "stood still"),
    Fault("counter stops later", command("wave 0 0 0 100 8 0"), VOID, "stood still for 4.0 s", "update"),
    Fault("counter leaps", fault("field:83", 0, 11.8, value=9e12), VOID, "above what the device"),
    Fault("power says 0 W", fault("field:186", 0, OPENED, value=0.0), VOID, "the integrated power 0 J"),
    Fault("power says twice as much", fault("field:186", 0, OPENED, value=2e5), VOID, "more than 25% apart", "trust"),
    Fault("above the limit", power_of(500.0), VOID, "above what the device can draw (300 W)"),
    Fault("throttled by heat", command("set 0 thermal_share 0.4"), VOID, "heat for 40% of", "cool"),
    Fault("no power: 0 W", several(no_counter, fault("field:186", 3), fault("field:185", 3),
          fault("nvmlDeviceGetPowerUsage", 0, value=0.0)), VOID, "a mean power of 0.0 W"),
    Fault("no counter: 4 MW", several(no_counter, fault("field:186", 0, value=4e9)), VOID, "4e+06 W"),
    Fault("no counter: power lost", several(no_counter, fault("field:186", 15, MIDDLE)), VOID, "lost"),
]  # fmt: skip


def measure(stub: Stub, seconds: float = WINDOW_S):
    """Open the meter on the virtual clock, and measure from second 2 on."""
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(seconds)
        return window.reading


def check_next_step(fault: Fault, reading: Reading) -> None:
    """The next step is a field of the reading, and no part of its reason."""
    if fault.next_step is not None:
        assert fault.next_step in reading.next_step
    assert reading.next_step is None or reading.next_step not in reading.reason


def test_without_a_fault_there_is_a_number(stub):
    reading = measure(stub)
    assert reading.status is Status.MEASURED
    assert reading.energy_j == pytest.approx(1000.0, rel=1e-3)
    assert reading.reason is None


@pytest.mark.parametrize("fault", UNAVAILABLE, ids=lambda fault: fault.name)
def test_what_cannot_be_measured_at_all_says_why(stub, monkeypatch, fault):
    monkeypatch.setattr("greenbench.energy.sources.nvml.opening.SystemClock", stub.clock)
    fault.arrange(stub)
    meter = open_meter("auto")
    assert isinstance(meter, NoMeter)
    with meter.window("work") as window:
        pass
    assert window.reading.status is fault.status
    assert window.reading.energy_j is None
    assert fault.reason in window.reading.reason
    check_next_step(fault, window.reading)
    with pytest.raises(UserError, match="greenbench doctor") as caught:
        open_meter("nvml")
    assert (fault.next_step or "") in caught.value.next_step


@pytest.mark.parametrize("fault", IN_THE_WINDOW, ids=lambda fault: fault.name)
def test_a_fault_in_the_window_leaves_no_number(stub, fault):
    fault.arrange(stub)
    reading = measure(stub)
    assert reading.status is fault.status
    assert fault.reason in reading.reason
    check_next_step(fault, reading)
    assert reading.energy_j is None
    assert reading.net_energy_j is None
    assert reading.uncertainty_j is None
    assert reading.mean_power_w is None


@pytest.mark.parametrize("fault", IN_THE_WINDOW, ids=lambda fault: fault.name)
def test_a_void_window_cannot_be_scaled_or_added_into_a_number(stub, fault):
    fault.arrange(stub)
    reading = measure(stub)
    assert reading.scaled(100).energy_j is None


@pytest.mark.parametrize("seconds", [0.0, 0.03, 0.09])
def test_a_window_of_less_than_two_ticks_is_refused(stub, seconds):
    reading = measure(stub, seconds)
    assert reading.status is Status.NOT_MEASURED
    assert reading.energy_j is None
    assert "updates every 100 ms" in reading.reason
    assert reading.next_step == "measure more work at once"


def test_a_short_window_is_marked(stub):
    reading = measure(stub, 2.0)
    assert reading.status is Status.MEASURED_SHORT
    assert reading.reason == "short window: 2.00 s of at least 5 s, 20 updates of at least 50"


def test_too_few_ticks_are_marked_however_long_they_take(stub):
    stub.command("set 0 tick 0.3")
    reading = measure(stub, 9.0)
    assert reading.status is Status.MEASURED_SHORT
    assert reading.reason == "short window: 30 updates of at least 50"


@pytest.mark.parametrize("policy", ["fail", "mark"])
def test_a_foreign_process_that_comes_in_the_window_is_seen(stub, policy):
    stub.command(f"process 0 {os.getppid()} {MIDDLE} 1000")
    clock = stub.clock()
    with open_nvml(lambda: None, clock=clock, busy=policy) as meter, meter.window("work") as window:
        clock.sleep(WINDOW_S)
    reading = window.reading
    assert f"shared with process {os.getppid()} (" in reading.reason
    assert reading.status is (Status.INVALID if policy == "fail" else Status.ESTIMATED)
    assert reading.next_step.startswith("stop the other program")
    assert (reading.energy_j is None) == (policy == "fail")


def test_a_foreign_process_on_the_gpu_refuses_the_meter(stub):
    stub.command(f"process 0 {os.getppid()} 0 1000")
    with pytest.raises(UserError, match=f"process {os.getppid()} .* runs on Stub GPU"):
        open_nvml(lambda: None, clock=stub.clock())


def test_wait_begins_when_the_foreign_process_has_ended(stub):
    stub.command(f"process 0 {os.getppid()} 0 42")
    with open_nvml(lambda: None, clock=stub.clock(), busy="wait") as meter:
        assert stub.now >= 42
        with meter.window("work") as window:
            meter.clock.sleep(WINDOW_S)
    assert window.reading.status is Status.MEASURED


def test_wait_gives_up_in_the_end(stub):
    stub.command(f"process 0 {os.getppid()} 0 1e9")
    with pytest.raises(UserError, match="giving up waiting"):
        open_nvml(lambda: None, clock=stub.clock(), busy="wait")


def test_an_unknown_policy_is_refused(stub):
    with pytest.raises(UserError, match="fail, wait, mark"):
        open_nvml(lambda: None, clock=stub.clock(), busy="ignore")


def test_our_own_processes_are_no_contention(stub):
    stub.command(f"process 0 {os.getpid()} 0 1000")
    reading = measure(stub)
    assert reading.status is Status.MEASURED
    assert reading.notes == ()


@pytest.mark.parametrize(
    ("arrange", "doubt"),
    [
        (lambda stub: None, "not even this one"),
        (command("process 0 4123456789 0 1000"), "without a PID known here"),
        (command("process 0 0 0 1000"), "without a PID known here"),
        (fault("nvmlDeviceGetComputeRunningProcesses", 4), "Insufficient Permissions"),
        (fault("nvmlDeviceGetComputeRunningProcesses", 3), "Not Supported"),
    ],
    ids=["empty list", "PID of another namespace", "PID 0", "no permission", "not supported"],
)
def test_contention_that_cannot_be_known_is_said(stub, arrange, doubt):
    arrange(stub)
    reading = measure(stub)
    assert reading.status is Status.MEASURED
    assert "contention unknown" in reading.notes[0]
    assert doubt in reading.notes[0]


def test_there_are_enough_faults():
    assert len(UNAVAILABLE) + len(IN_THE_WINDOW) >= 25


def test_a_power_reading_that_is_lost_leaves_the_counter_its_energy(stub):
    stub.fault("field:186", pynvml.NVML_ERROR_NO_PERMISSION, OPENED)
    reading = measure(stub)
    assert reading.energy_j == pytest.approx(1000.0, rel=1e-3)
    assert any("could not be checked: no power readings" in note for note in reading.notes)


def test_power_readings_that_end_in_the_window_are_no_witness_against_a_counter(stub):
    for call in ("field:185", "field:186", "nvmlDeviceGetPowerUsage"):
        stub.fault(call, pynvml.NVML_ERROR_NOT_SUPPORTED, MIDDLE)
    reading = measure(stub)
    assert reading.energy_j == pytest.approx(1000.0, rel=1e-3)
    assert any("the power readings cover" in note for note in reading.notes)


@pytest.mark.parametrize("until_s", [1e9, MIDDLE + 0.1])
def test_an_impossible_power_is_no_witness_against_a_counter(stub, until_s):
    stub.fault("field:186", 0, MIDDLE, until_s, value=4e9)
    reading = measure(stub)
    assert reading.energy_j == pytest.approx(1000.0, rel=1e-3)
    assert reading.max_power_w == pytest.approx(100.0)
    assert "the counter could not be checked: a power reading says 4e+06 W" in reading.notes


def test_one_impossible_power_voids_an_hour_of_integrated_power(stub):
    """In the mean of a long window it would not be seen."""
    no_counter(stub)
    stub.fault("field:186", 0, 1000.0, 1000.05, value=4e7)
    reading = measure(stub, 3600.0)
    assert reading.status is Status.INVALID
    assert reading.reason == "a power of 4e+04 W is above what the device can draw (300 W)"


def test_a_program_that_was_stopped_is_not_checked_by_what_it_did_not_see(stub):
    stub.wave([(0.0, 60.0), (4.0, 250.0)])
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(1.9)
            for sampler in meter.samplers:
                sampler._attendant.rest()
            meter.clock.sleep(10.0)
    reading = window.reading
    assert reading.energy_j == pytest.approx(stub.true_energy_j(2.0, 13.9), rel=0.02)
    assert any("no poll happened for" in note for note in reading.notes)
