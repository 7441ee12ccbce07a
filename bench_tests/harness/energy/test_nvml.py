"""Which GPU is read, by which calls, and what stands in for a counter that is not there."""

from __future__ import annotations

from itertools import pairwise

import pynvml
import pytest

from bench_tests.nvml_stub import Stub
from greenbench.energy import Status, open_meter
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.errors import UserError

UUID = "GPU-5afe000{0}-0000-4000-8000-00000000000{0}"


def no_counter(stub: Stub) -> None:
    stub.fault("field:83", pynvml.NVML_ERROR_NOT_SUPPORTED)
    stub.fault("nvmlDeviceGetTotalEnergyConsumption", pynvml.NVML_ERROR_NOT_SUPPORTED)


def measure(stub: Stub, seconds: float = 10.0, **options):
    with open_nvml(lambda: None, clock=stub.clock(), **options) as meter:
        start = stub.now
        with meter.window("work") as window:
            meter.clock.sleep(seconds)
        return window, stub.true_energy_j(start, start + seconds), meter


def test_the_counter_is_preferred_and_its_tick_is_probed(stub):
    for tick in (0.02, 0.05, 0.1):
        stub.reset()
        stub.command(f"set 0 tick {tick}")
        window, true_j, meter = measure(stub)
        assert window.reading.method == meter.name == "nvml-counter"
        assert meter.devices[0].info.tick_s == pytest.approx(tick, abs=0.002)
        assert window.reading.ticks == pytest.approx(10.0 / tick, abs=2)
        assert window.reading.energy_j == pytest.approx(true_j, rel=0.002)


def test_one_poll_is_one_call(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        before = stub._library.stub_calls()
        meter.devices[0].sample()
        assert stub._library.stub_calls() - before == 1


def test_a_driver_without_fields_is_read_by_single_calls(stub):
    stub.fault("nvmlDeviceGetFieldValues", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    window, true_j, _ = measure(stub)
    assert window.reading.method == "nvml-counter"
    assert window.reading.energy_j == pytest.approx(true_j, rel=0.002)
    assert window.reading.max_power_w == pytest.approx(100.0)


def test_a_counter_beyond_32_bits_is_read_whole(stub):
    """Read as 32 bits, 2^32 mJ = 4.29 MJ would be a step back in the window."""
    stub.command(f"set 0 energy_start {2**32 / 1e3 - 500}")
    window, true_j, _ = measure(stub)
    assert window.reading.energy_j == pytest.approx(true_j, rel=0.002)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("NVIDIA A100-SXM4-80GB", "nvml-power"),
        ("NVIDIA A30", "nvml-power"),
        ("NVIDIA A10", "nvml-power-average"),
    ],
)
def test_of_ampere_the_chip_ga100_alone_shows_power_without_an_average(stub, name, method):
    no_counter(stub)
    for call in ("field:186", "field:185"):
        stub.fault(call, pynvml.NVML_ERROR_NOT_SUPPORTED)
    stub.command(f"set 0 name {name}")
    assert measure(stub)[0].reading.method == method


@pytest.mark.parametrize(
    ("missing", "architecture", "method", "tolerance"),
    [
        ([], 7, "nvml-power", 0.02),
        (["field:186"], 7, "nvml-power-average", 0.1),
        (["field:186", "field:185"], 7, "nvml-power-average", 0.1),
        (["field:186", "field:185"], 6, "nvml-power", 0.02),
    ],
)
def test_without_a_counter_the_power_is_integrated_and_labeled(
    stub, missing, architecture, method, tolerance
):
    no_counter(stub)
    for call in missing:
        stub.fault(call, pynvml.NVML_ERROR_NOT_SUPPORTED)
    stub.command(f"set 0 architecture {architecture}")
    if architecture == 7:
        stub.command("set 0 average 1.0")
    stub.wave([(0.0, 60.0), (0.7, 240.0), (1.6, 120.0)], repeat=2.0)
    window, true_j, meter = measure(stub)
    reading = window.reading
    assert reading.method == meter.name == method
    assert "no energy counter" in reading.notes[0]
    assert reading.energy_j == pytest.approx(true_j, rel=tolerance)
    assert abs(reading.energy_j - true_j) <= reading.comparison_uncertainty_j


def test_a_counter_that_stands_still_is_not_believed(stub):
    stub.fault("field:83", 0, value=5e6)
    stub.fault("nvmlDeviceGetTotalEnergyConsumption", 0, value=5e6)
    window, true_j, _ = measure(stub)
    assert window.reading.method == "nvml-power"
    assert "stands still" in window.reading.notes[0]
    assert window.reading.energy_j == pytest.approx(true_j, rel=0.01)


def test_the_method_of_the_paper_polls_every_10_ms_and_adds(stub):
    window, true_j, meter = measure(stub, method="paper")
    assert meter.name == "paper"
    assert meter.period_s == 0.010
    assert window.reading.method == "nvml-paper"
    assert window.reading.energy_j == pytest.approx(true_j, rel=0.002)


def test_the_method_of_the_paper_loses_what_late_polls_miss(stub):
    """Counts carry its time: polls of 30 ms, as beside a busy interpreter, give a third."""
    with open_nvml(lambda: None, clock=stub.clock(), method="paper") as meter:
        for sampler in meter.samplers:
            sampler.period_s = 0.030
        with meter.window("work") as window:
            meter.clock.sleep(9.0)
    assert window.reading.energy_j == pytest.approx(300.0, rel=0.01)


def test_the_module_of_a_superchip_is_asked_for_by_name(stub):
    stub.command("set 0 scope_module_w 50")
    gpu, _, _ = measure(stub)
    module, _, _ = measure(stub, scope="module")
    assert gpu.reading.energy_j == pytest.approx(1000.0, rel=0.002)
    assert module.reading.energy_j == pytest.approx(1500.0, rel=0.002)
    assert module.reading.method == "nvml-counter-module"


def test_a_gpu_without_a_module_refuses_that_scope(stub):
    with pytest.raises(SourceUnavailable, match="no power reading for the scope module"):
        measure(stub, scope="module")


def test_the_reading_carries_the_condition_at_both_edges(stub):
    stub.command("set 0 power_share 0.25")
    window, _, _ = measure(stub)
    reading = window.reading
    for edge in (reading.start, reading.end):
        assert (edge.temperature_c, edge.sm_clock_mhz, edge.memory_clock_mhz) == (45.0, 1500.0, 6000.0)
        assert (edge.power_limit_w, edge.driver) == (300.0, "580.00")
    assert reading.power_throttle == pytest.approx(0.25, abs=1e-3)
    assert reading.thermal_throttle == 0.0
    assert (reading.device, reading.uuid) == ("Stub GPU", UUID.format(0))


@pytest.mark.parametrize("code", [3, 4, 13])
def test_conditions_that_a_card_does_not_tell_are_none_and_do_no_harm(stub, code):
    for call in ("nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo", "nvmlDeviceGetEnforcedPowerLimit"):
        stub.fault(call, code)
    for field in (74, 75):
        stub.fault(f"field:{field}", code)
    reading = measure(stub)[0].reading
    assert reading.status is Status.MEASURED
    assert reading.start.temperature_c is None
    assert reading.thermal_throttle is None


def test_only_the_visible_gpu_is_read(stub, monkeypatch):
    stub.command("gpus 4")
    for gpu in range(4):
        stub.wave([(0.0, 40.0 + 10 * gpu)], gpu=gpu)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    reading = measure(stub)[0].reading
    assert reading.uuid == UUID.format(2)
    assert reading.energy_j == pytest.approx(600.0, rel=0.002)


def test_a_uuid_names_the_gpu(stub, monkeypatch):
    stub.command("gpus 3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", UUID.format(1))
    assert measure(stub)[0].reading.uuid == UUID.format(1)


def test_several_gpus_have_a_reading_each_and_one_together(stub):
    stub.command("gpus 3")
    for gpu in range(3):
        stub.wave([(0.0, 50.0 * (gpu + 1))], gpu=gpu)
        stub.command(f"set {gpu} phase {0.01 * gpu}")
    window, _, _ = measure(stub, devices="all")
    assert [reading.uuid for reading in window.readings] == [UUID.format(gpu) for gpu in range(3)]
    assert [reading.energy_j for reading in window.readings] == pytest.approx(
        [500.0, 1000.0, 1500.0], rel=0.01
    )
    assert window.reading.energy_j == pytest.approx(3000.0, rel=0.01)
    assert window.reading.seconds == pytest.approx(10.0)


def test_one_void_gpu_leaves_the_others_their_readings_and_the_sum_none(stub):
    stub.command("gpus 2")
    stub.fault("nvmlDeviceGetFieldValues", 15, 5.0, gpu=1)
    window, _, _ = measure(stub, devices="all")
    assert [reading.status for reading in window.readings] == [Status.MEASURED, Status.INVALID]
    assert window.reading.status is Status.INVALID
    assert window.reading.energy_j is None


def test_windows_nest(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        with meter.window("outer") as outer:
            meter.clock.sleep(3.0)
            with meter.window("inner") as inner:
                meter.clock.sleep(6.0)
            meter.clock.sleep(3.0)
        assert inner.reading.energy_j == pytest.approx(600.0, rel=0.005)
        assert outer.reading.energy_j == pytest.approx(1200.0, rel=0.005)


def test_both_edges_wait_for_the_device(stub):
    clock = stub.clock()
    waits = []

    def synchronize() -> None:
        waits.append(clock.now())
        clock.sleep(0.5)

    with open_nvml(synchronize, clock=clock) as meter, meter.window("work") as window:
        clock.sleep(6.0)
    assert len(waits) == 2
    assert window.reading.seconds == pytest.approx(6.5)


def test_an_hour_keeps_no_more_samples_than_a_minute(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        (sampler,) = meter.samplers
        with meter.window("work") as window:
            meter.clock.sleep(600.0)
            (seen,) = sampler._open
            assert len(seen.head) + len(seen.tail) <= 128
            assert seen.kept is None
    assert window.reading.energy_j == pytest.approx(60_000.0, rel=1e-4)


@pytest.mark.parametrize("period_s", [0.3, 4.0])
def test_a_program_that_starves_the_sampler_is_measured_all_the_same(stub, period_s):
    """Long calls that hold the interpreter's lock let no poll happen; the counter counts on."""
    stub.wave([(0.0, 40.0), (2.0, 240.0), (12.0, 40.0)])
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        for sampler in meter.samplers:
            sampler.period_s = period_s
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(10.0)
    reading = window.reading
    assert reading.energy_j == pytest.approx(2400.0, rel=0.01)
    assert abs(reading.energy_j - 2400.0) <= reading.comparison_uncertainty_j
    assert any("could not be checked" in note for note in reading.notes) == (period_s > 3.0)


def test_the_trace_is_kept_when_asked_for(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work", trace=True) as window:
        meter.clock.sleep(6.0)
    trace = window.reading.trace
    assert len(trace) == pytest.approx(6.0 / 0.020, abs=30)
    assert all(a.end_s <= b.begin_s for a, b in pairwise(trace))


def test_a_closed_meter_opens_no_window(stub):
    meter = open_nvml(lambda: None, clock=stub.clock())
    meter.close()
    meter.close()
    with pytest.raises(RuntimeError, match="closed"), meter.window("work"):
        pass


def test_a_reading_is_not_there_before_the_window_ends(stub):
    with (
        open_nvml(lambda: None, clock=stub.clock()) as meter,
        meter.window("work") as window,
        pytest.raises(RuntimeError, match="still open"),
    ):
        _ = window.reading


def test_an_exception_in_the_window_passes_and_closes_it(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:

        def fail() -> None:
            meter.clock.sleep(6.0)
            raise KeyError

        with pytest.raises(KeyError), meter.window("work") as window:
            fail()
        assert window.reading.status is Status.MEASURED
        assert not any(sampler._open for sampler in meter.samplers)


def test_a_named_source_that_is_not_there_is_the_users_error(monkeypatch, stub):
    stub.command("gpus 0")
    with pytest.raises(UserError, match="meter 'nvml' cannot measure") as caught:
        open_meter("nvml")
    assert "use auto" in caught.value.next_step


def test_a_device_that_fails_to_finish_leaves_no_window_open(stub):
    """A crashed kernel shows when the device is waited for: the error passes, the sampler ends."""
    clock = stub.clock()
    calls = []

    def synchronize() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("CUDA error: an illegal memory access")

    with open_nvml(synchronize, clock=clock) as meter:
        with pytest.raises(RuntimeError, match="illegal memory"), meter.window("work"):
            clock.sleep(1.0)
        assert not any(sampler._open for sampler in meter.samplers)


def test_work_on_the_cpu_is_never_charged_with_a_gpu_that_happens_to_be_there(stub):
    with open_meter("auto", devices="none") as meter:
        assert not meter.name.startswith("nvml")
    with open_meter("auto") as meter:
        assert meter.name.startswith("nvml")


def test_a_graphics_program_is_a_foreign_one(stub):
    stub.command("graphics 0 1 0 1e9")
    with pytest.raises(UserError, match="process 1 "):
        measure(stub)
    reading = measure(stub, busy="mark")[0].reading
    assert reading.status is Status.ESTIMATED
    assert "shared with process 1 (" in reading.reason


def test_a_name_that_is_no_text_is_shown_letter_by_letter(stub):
    stub._library.stub_command(b"set 0 name Ge\xf8Force\x07 X")
    reading = measure(stub)[0].reading
    assert reading.device == "Ge\ufffdForce\ufffd X"
    assert reading.energy_j == pytest.approx(1000.0, rel=1e-3)


def test_an_error_at_the_end_loses_nothing(stub):
    stub.fault("nvmlShutdown", 1)
    assert measure(stub)[0].reading.energy_j == pytest.approx(1000.0, rel=1e-3)


def test_of_all_gpus_one_that_cannot_be_measured_does_not_keep_the_others_from_it(stub):
    stub.command("gpus 3")
    stub.command("set 1 mig 1")
    first, second, third = measure(stub, devices="all")[0].readings
    assert first.energy_j == pytest.approx(1000.0, rel=0.01)
    assert third.energy_j == pytest.approx(1000.0, rel=0.01)
    assert second.status is Status.NOT_MEASURED
    assert "split by MIG" in second.reason
    assert "mig 0" in second.next_step


def test_sixteen_gpus_are_measured(stub):
    stub.command("gpus 16")
    window, _, _ = measure(stub, devices="all")
    assert len({reading.uuid for reading in window.readings}) == 16
    assert window.reading.energy_j == pytest.approx(16_000.0, rel=0.01)


def test_short_windows_of_fast_gpus_give_no_number_and_long_ones_agree(stub):
    """On eight H100s windows of 40 ms showed 0 or 66 J for each card: a tick at 650 W, up to 1,990 W of 700."""
    stub.command("gpus 8")
    for gpu in range(8):
        stub.wave([(0.0, 650.0)], gpu=gpu)
        stub.command(f"set {gpu} limit 700")
        stub.command(f"set {gpu} phase {0.0123 * gpu}")
    with open_nvml(lambda: None, clock=stub.clock(), devices="all") as meter:
        for _ in range(30):
            with meter.window("short") as window:
                meter.clock.sleep(0.04)
            assert {reading.status for reading in window.readings} == {Status.NOT_MEASURED}
            meter.clock.sleep(0.0137)
        with meter.window("long") as window:
            meter.clock.sleep(2.1)
    energies = [reading.energy_j for reading in window.readings]
    assert energies == pytest.approx([650.0 * 2.1] * 8, rel=0.02)


def test_the_power_limit_bounds_what_is_believed(stub):
    stub.fault("nvmlDeviceGetEnforcedPowerLimit", pynvml.NVML_ERROR_NOT_SUPPORTED)
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        assert meter.devices[0].info.max_power_w == 2000.0
