"""Each check that a window must pass, from both sides of its threshold."""

from __future__ import annotations

import pytest

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.device import DeviceFault, DeviceInfo, EdgeState, Sample
from greenbench.energy.gates import judge
from greenbench.energy.reading import Status

EDGE = EdgeState("1", "580.00")


def seen_of(
    seconds=10.0, watts=100.0, kind="power", tick_s=0.1, read_w=None, until_s=1e9, every_s=None, **facts
):
    """Poll a device of constant power: what its counter says, and what its power readings say until a moment."""
    info = DeviceInfo("A", "1", "made", kind, tick_s, 0.065, **facts)
    seen = Accumulator(info)
    steps = round(seconds / (every_s or tick_s))
    for step in range(steps + 1):
        at = step * seconds / steps
        power_w = watts if read_w is None else read_w
        seen.add(
            Sample(at, at, watts * at if kind == "counter" else None, power_w if at <= until_s else None)
        )
    return seen


def reading(seconds=10.0, start=EDGE, end=EDGE, busy="fail", **how):
    return judge(seen_of(seconds, **how), start, end, seconds, busy)


def edges(**at_the_end):
    """Return the conditions at the edges: what is given as a pair, or at the end alone."""
    pairs = {name: value if isinstance(value, tuple) else (0.0, value) for name, value in at_the_end.items()}
    return {
        place: EdgeState("1", "580.00", **{name: pair[number] for name, pair in pairs.items()})
        for number, place in enumerate(("start", "end"))
    }


@pytest.mark.parametrize("kind", ["power", "counter"])
def test_energy_is_power_times_time(kind):
    found = reading(kind=kind)
    assert (found.status, found.reason, found.notes) == (Status.MEASURED, None, ())
    assert found.energy_j == pytest.approx(1000.0, rel=0.02)
    assert found.uncertainty.gain_j == pytest.approx(0.065 * found.energy_j)
    assert found.ticks == pytest.approx(100, abs=1)
    assert (found.seconds, found.max_power_w, found.boundary) == (10.0, 100.0, "GPU")
    assert (found.device, found.uuid, found.method) == ("A", "1", "made")


@pytest.mark.parametrize(("seconds", "status"), [(4.99, Status.MEASURED_SHORT), (5.0, Status.MEASURED)])
def test_five_seconds_are_enough(seconds, status):
    found = reading(seconds, tick_s=0.01)
    assert found.status is status
    assert found.energy_j == pytest.approx(100 * seconds)
    assert (found.reason or "") == ("short window: 4.99 s of at least 5 s" if seconds < 5 else "")


@pytest.mark.parametrize(("ticks", "status"), [(49, Status.MEASURED_SHORT), (50, Status.MEASURED)])
def test_fifty_updates_are_enough(ticks, status):
    found = reading(10.0, tick_s=10.0 / (ticks + 0.5))
    assert (found.status, found.ticks) == (status, ticks)
    assert (found.reason or "") == ("short window: 49 updates of at least 50" if ticks < 50 else "")


@pytest.mark.parametrize(("watts", "status"), [(109.0, Status.MEASURED), (111.0, Status.INVALID)])
def test_a_tenth_above_the_limit_may_be_drawn(watts, status):
    found = reading(watts=watts, max_power_w=100.0)
    assert found.status is status
    assert ("above what the device can draw (100 W)" in (found.reason or "")) == (status is Status.INVALID)


def test_a_limit_that_was_raised_counts_at_either_edge():
    for limits in ((150.0, None), (None, 150.0), (150.0, 90.0)):
        assert reading(watts=140.0, max_power_w=100.0, **edges(power_limit_w=limits)).energy_j
    assert not reading(watts=140.0, max_power_w=100.0, **edges(power_limit_w=(90.0, 120.0))).energy_j
    assert reading(watts=140.0, **edges(power_limit_w=(90.0, 90.0))).energy_j, "no bound is known"


def test_no_power_at_all_is_impossible():
    assert "a mean power of 0.0 W over 10.0 s is impossible" in reading(watts=0.0).reason


@pytest.mark.parametrize(("throttled_s", "status"), [(1.0, Status.MEASURED), (1.01, Status.INVALID)])
def test_a_tenth_of_a_window_may_be_throttled_by_heat(throttled_s, status):
    found = reading(**edges(thermal_throttle_s=(3.0, 3.0 + throttled_s)))
    assert found.status is status
    if status is Status.MEASURED:
        assert found.thermal_throttle == pytest.approx(0.1)
    else:
        assert found.reason.startswith("throttled by heat for 10% of the window (at most 10%)")


@pytest.mark.parametrize(
    ("seconds", "share"), [((2.0, 5.0), 0.3), ((5.0, 2.0), 0.0), ((0.0, 99.0), 1.0), ((None, 5.0), None)]
)
def test_throttling_by_power_is_told_and_does_no_harm(seconds, share):
    found = reading(**edges(power_throttle_s=seconds))
    assert (found.status, found.power_throttle) == (Status.MEASURED, share)
    assert found.thermal_throttle is None


@pytest.mark.parametrize(
    ("read_w", "status"),
    [(76.0, Status.MEASURED), (124.0, Status.MEASURED), (74.0, Status.INVALID), (126.0, Status.INVALID)],
)
def test_a_counter_and_its_power_agree_to_a_quarter(read_w, status):
    found = reading(kind="counter", read_w=read_w)
    assert found.status is status
    assert ("more than 25% apart" in (found.reason or "")) == (status is Status.INVALID)


@pytest.mark.parametrize(
    ("how", "note"),
    [
        ({"until_s": -1.0}, "no power readings"),
        ({"until_s": 8.85}, "the power readings cover 8.9 of 10.0 s"),
        ({"until_s": 8.95}, None),
        ({"every_s": 1.25}, "no poll happened for 1.2 s"),
        ({"every_s": 1.0}, None),
        ({"seconds": 4.9, "tick_s": 0.049}, None),
    ],
)
def test_a_power_that_says_too_little_is_no_witness(how, note):
    found = reading(**{"kind": "counter", "read_w": 60.0, **how})
    if note is None:
        assert found.notes == ()
        assert found.status is (Status.MEASURED_SHORT if "seconds" in how else Status.INVALID)
    else:
        assert found.notes == (f"the counter could not be checked: {note}",)
        assert found.energy_j == pytest.approx(1000.0, rel=0.03)


def test_a_device_that_was_not_there_or_became_another_has_no_energy():
    nothing = Accumulator(DeviceInfo("A", "1", "made", "power", 0.1, 0.065))
    found = judge(nothing, EDGE, EDGE, 10.0, "fail")
    assert (found.status, found.reason) == (Status.NOT_MEASURED, "the device gave no sample")
    lost = seen_of()
    lost.add(DeviceFault("GPU is lost", "reboot"))
    found = judge(lost, EDGE, EDGE, 10.0, "fail")
    assert (found.status, found.reason, found.next_step) == (Status.INVALID, "GPU is lost", "reboot")
    assert "the device changed in the window, from 1 to 2" in reading(end=EdgeState("2", "580.00")).reason
    assert "the driver changed in the window" in reading(end=EdgeState("1", "590.00")).reason


@pytest.mark.parametrize("place", ["start", "end"])
def test_another_program_at_either_edge_is_seen(place):
    shared = {place: EdgeState("1", "580.00", contention="foreign", processes=("process 7 (python)",))}
    failed, marked = reading(**shared), reading(**shared, busy="mark")
    assert (failed.status, failed.energy_j) == (Status.INVALID, None)
    assert (marked.status, marked.energy_j) == (Status.ESTIMATED, pytest.approx(1000.0))
    for found in (failed, marked):
        assert found.reason == "shared with process 7 (python): their energy is counted too"
        assert found.next_step
    doubtful = {place: EdgeState("1", "580.00", contention="unknown", processes=("no permission",))}
    found = reading(**doubtful)
    assert (found.status, found.notes) == (Status.MEASURED, ("contention unknown: no permission",))
