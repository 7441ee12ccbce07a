"""AMD, Apple silicon and Jetson by the library zeus, tried against a stand-in of it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import subprocess
import sys
import threading
import warnings
from types import ModuleType

import pytest

from bench_tests.harness.energy import zeus_stand_in as stand_in
from bench_tests.harness.energy.zeus_stand_in import APPLE_W, amd, apple, jetson, measure, silent
from greenbench.energy import Status, check_source, lock, open_meter
from greenbench.energy.sources import known_sources, zeus
from greenbench.energy.sums import CONTAINS, together
from greenbench.errors import UserError


def test_names_signatures_and_units_are_those_of_the_real_library():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gpu, soc = (importlib.import_module(f"zeus.device.{part}") for part in ("gpu", "soc"))
            device, amd_module = (
                importlib.import_module("zeus.device"),
                importlib.import_module("zeus.device.gpu.amd"),
            )
            chips = [importlib.import_module(f"zeus.device.soc.{name}") for name in ("apple", "jetson")]
    except ImportError as error:
        pytest.skip(f"zeus is not installed ({error})")
    for name in ("get_gpus", "get_soc"):
        assert callable(getattr(device, name))
    pairs = [
        (amd_module.AMDGPU, stand_in.AMDGPU),
        (gpu.AMDGPUs, stand_in.AMDGPUs),
        (gpu.NVIDIAGPUs, stand_in.NVIDIAGPUs),
        (gpu.ZeusGPUInitError, stand_in.ZeusGPUInitError),
        (gpu.ZeusGPUNotSupportedError, stand_in.ZeusGPUNotSupportedError),
        (soc.ZeusSoCInitError, stand_in.ZeusSoCInitError),
        (soc.AppleSilicon, stand_in.AppleSilicon),
        (soc.Jetson, stand_in.Jetson),
        (chips[0].AppleSiliconMeasurement, stand_in.AppleSiliconMeasurement),
        (chips[1].JetsonMeasurement, stand_in.JetsonMeasurement),
    ]
    for real, ours in pairs:
        assert real.__name__ == ours.__name__
        assert inspect.signature(real) == inspect.signature(ours), ours
        for name, method in vars(ours).items():
            if name.startswith(("get_", "supports_")):
                assert inspect.signature(getattr(real, name)) == inspect.signature(method), name
    assert isinstance(inspect.getattr_static(gpu.AMDGPUs, "gpus"), property)
    for name in ("get_total_energy_consumption", "get_average_power_usage", "get_power_management_limit"):
        unit = "mJ" if "energy" in name else "mW"
        assert f"Units: {unit}" in getattr(amd_module.AMDGPU, name).__doc__
    for real in (soc.AppleSilicon, soc.Jetson):
        assert "Units: mJ" in real.get_total_energy_consumption.__doc__


def test_the_real_library_is_found_and_needs_no_torch():
    if importlib.util.find_spec("zeus") is None:
        pytest.skip("zeus is not installed")
    code = (
        "import sys\nfrom greenbench.energy.sources.zeus import Library\n"
        "print(Library().version, 'torch' in sys.modules)"
    )
    version, torch = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert version >= stand_in.VERSION
    assert torch == "False"


def test_an_amd_gpu_is_measured_by_its_counter(world):
    amd(world, 300.0)
    reading = measure(world, "zeus:amd").reading
    assert reading.energy_j == pytest.approx(6000.0, rel=2e-3)
    assert reading.status is Status.MEASURED
    assert (reading.method, reading.boundary, reading.uuid) == ("zeus-amd-counter", "GPU", "zeus-amd-0")
    assert reading.device == "AMD Instinct MI300X"
    assert "by zeus 0.16.0; greenbench never met this device" in reading.notes
    assert "its calibration is not published: 13% (95 %) is assumed" in reading.notes
    assert any("contention unknown: zeus does not tell" in note for note in reading.notes)
    assert reading.end.temperature_c == 61.0
    assert reading.end.power_limit_w == 750.0


def test_its_counters_are_polled_at_a_fixed_pace(world):
    amd(world)
    with open_meter("zeus") as meter:
        assert meter.name == "zeus"
        assert meter.devices[0].next_s(7.0) == pytest.approx(7.036)


def test_energy_of_a_power_that_changes_is_within_the_interval(world):
    gpu = amd(world, 100.0)
    reading = measure(world, midway=lambda: setattr(gpu.load, "power_w", 500.0)).reading
    assert reading.energy_j == pytest.approx(6000.0, rel=0.01)
    assert abs(reading.energy_j - 6000.0) <= reading.uncertainty_j < 0.15 * 6000.0


@pytest.mark.parametrize("lost", [(), ("get_average_power_usage",)])
def test_an_amd_gpu_whose_counter_is_wrong_is_measured_by_its_power(world, lost):
    gpu = amd(world, 250.0)
    gpu.counts = False
    gpu.answers = dict.fromkeys(lost, stand_in.ZeusGPUNotSupportedError("not on this one"))
    reading = measure(world).reading
    assert reading.energy_j == pytest.approx(5000.0, rel=2e-3)
    assert (reading.method, reading.status) == ("zeus-amd-power", Status.MEASURED)
    with open_meter("zeus") as meter:
        assert meter.devices[0].info.power_lag_s == (0.0 if lost else 1.0)


def test_which_gpus_are_measured(world):
    amd(world, 300.0, 100.0)
    assert measure(world).reading.energy_j == pytest.approx(6000.0, rel=2e-3)
    both = measure(world, devices="all")
    assert [reading.uuid for reading in both.readings] == ["zeus-amd-0", "zeus-amd-1"]
    assert both.reading.energy_j == pytest.approx(8000.0, rel=2e-3)
    assert measure(world, devices=["zeus-amd-1"]).reading.energy_j == pytest.approx(2000.0, rel=2e-3)
    with pytest.raises(
        UserError, match=r"which GPU is GPU-1234.*there are zeus-amd-0, zeus-amd-1.*HIP_VISIBLE"
    ):
        open_meter("zeus", devices=["GPU-1234"])
    with pytest.raises(UserError, match="which GPU is GPU-1234"):
        open_meter("zeus", devices="GPU-1234")
    with pytest.raises(UserError, match="the work is not done on a GPU"):
        open_meter("zeus", devices="none")


def test_a_uuid_of_torch_can_only_be_that_of_the_only_gpu(world):
    amd(world)
    assert measure(world, devices=["GPU-1234"]).reading.uuid == "zeus-amd-0"
    with pytest.raises(UserError, match="which GPU"):
        open_meter("zeus", devices=["GPU-1234", "GPU-5678"])


def test_the_second_chiplet_is_in_its_partners_counter(world):
    amd(world, 300.0, 0.0, 200.0, 0.0)
    for gpu in world.gpus.gpus:
        gpu.name = "AMD Instinct MI250X"
    silent(world.gpus.gpus[1])
    silent(world.gpus.gpus[3])
    window = measure(world, devices="all")
    assert [reading.uuid for reading in window.readings] == ["zeus-amd-0", "zeus-amd-2"]
    assert window.reading.energy_j == pytest.approx(10_000.0, rel=2e-3)
    assert "the energy of both chiplets" in window.reading.notes


@pytest.mark.parametrize("pauses_s", [(0.8, 1.3), (2.03, 2.23)], ids=["M1 Ultra", "M5 Max"])
def test_apple_silicon_is_measured_in_parts(world, pauses_s, monkeypatch):
    monkeypatch.setattr(stand_in.AppleSilicon, "PAUSES_S", pauses_s)
    apple(world)
    window = measure(world, "zeus:apple", 60.0)
    found = {reading.boundary: reading.energy_j for reading in window.readings}
    expected = {"CPU package": 1200.0, "GPU": 1800.0, "CPU memory": 240.0, "neural engine": 120.0}
    assert found == pytest.approx(expected, rel=0.02)
    assert list(found) == list(expected)
    for reading in window.readings:
        assert 0.2 * reading.energy_j <= reading.uncertainty_j < 0.3 * reading.energy_j
        assert reading.method == "zeus-apple"
    assert window.reading.energy_j == pytest.approx(3360.0, rel=0.02)
    assert window.reading.boundary == "CPU package + GPU + CPU memory + neural engine"
    assert "by zeus 0.16.0; greenbench never met this device" in window.reading.notes
    assert any("Apple calls these energies estimates" in note for note in window.reading.notes)
    unknown = [any("contention unknown" in note for note in reading.notes) for reading in window.readings]
    assert unknown == [False, True, False, True]


def test_a_part_that_rests_is_not_measured_and_not_0(world):
    apple(world, **{**APPLE_W, "gpu_mj": 0.0})
    window = measure(world, seconds=60.0)
    gpu = window.readings[1]
    assert gpu.energy_j is None
    assert "stood still" in gpu.reason
    assert window.reading.boundary == "CPU package + CPU memory + neural engine"
    assert any("without GPU: the energy counter stood still" in note for note in window.reading.notes)


def test_a_part_that_the_chip_does_not_tell_is_none(world):
    apple(world, cpu_total_mj=20.0, gpu_mj=30.0)
    assert [reading.boundary for reading in measure(world).readings] == ["CPU package", "GPU"]


def test_the_sum_of_a_jetson_counts_nothing_twice(world):
    jetson(world)
    window = measure(world, "zeus:jetson")
    found = {reading.boundary: reading.energy_j for reading in window.readings}
    assert found == pytest.approx({"SoC": 500.0, "GPU": 240.0, "CPU package": 120.0}, rel=0.01)
    assert window.reading.energy_j == found["SoC"]
    assert 0.1 * 500.0 <= window.reading.uncertainty_j < 0.15 * 500.0
    assert window.reading.method == "zeus-jetson"
    assert any("may feed other parts too" in note for note in window.reading.notes)


def test_without_the_total_of_a_jetson_its_parts_are_no_sum(world):
    soc = jetson(world)
    window = measure(world, midway=lambda: soc.answers.update(total_energy_mj=None))
    assert window.reading.energy_j is None
    assert "total_energy_mj gave None" in window.readings[0].reason
    assert window.readings[1].energy_j == pytest.approx(240.0, rel=0.01)


def test_a_jetson_without_a_total_has_the_sum_of_its_parts(world):
    jetson(world, gpu_energy_mj=12.0, cpu_energy_mj=6.0)
    reading = measure(world).reading
    assert reading.energy_j == pytest.approx(360.0, rel=0.01)
    assert reading.boundary == "GPU + CPU package"


def test_an_external_meter_contains_all_parts(world):
    apple(world)
    readings = measure(world, seconds=60.0).readings
    assert {reading.boundary for reading in readings} < set(CONTAINS["machine"])
    assert {*CONTAINS["SoC"], "SoC"} < set(CONTAINS["machine"])
    machine = readings[0].__class__(9000.0, Status.MEASURED, "command", 60.0, boundary="machine")
    assert together([machine, *readings]).energy_j == 9000.0


def test_a_jetson_is_no_nvidia_gpu(world):
    jetson(world)
    world.gpus = stand_in.NVIDIAGPUs()
    assert measure(world).reading.boundary == "SoC"


def test_nvidia_gpus_are_refused(world):
    world.gpus = stand_in.NVIDIAGPUs()
    with pytest.raises(UserError, match="takes this machine's NVIDIA GPUs; use the meter nvml"):
        open_meter("zeus")
    with pytest.raises(UserError, match="NVIDIA GPUs are not read by zeus; use the meter nvml"):
        check_source("zeus:nvidia")
    with pytest.raises(UserError, match="'intel' is no vendor; choose one of amd, apple, jetson"):
        check_source("zeus:intel")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zeus", "No observable SoC was found on the current machine.; NVML and AMDSMI unavailable."),
        ("zeus:amd", "NVML and AMDSMI unavailable.; see that ROCm works"),
        ("zeus:apple", "No observable SoC was found.*on Apple silicon, pip install"),
    ],
)
def test_a_machine_without_such_a_device_is_told_so(world, name, words):
    with pytest.raises(UserError, match=words):
        open_meter(name)


def test_another_vendor_than_the_one_asked_for_is_not_measured(world):
    jetson(world)
    with pytest.raises(UserError, match="this machine is Jetson; use zeus:jetson"):
        open_meter("zeus:apple")
    with pytest.raises(UserError, match="NVML and AMDSMI unavailable"):
        open_meter("zeus:amd")
    world.soc = None
    amd(world)
    with pytest.raises(UserError, match="No observable SoC"):
        open_meter("zeus:jetson")


def test_devices_of_an_unknown_kind_are_not_measured(world):
    world.gpus = object()
    with pytest.raises(UserError, match="object are GPUs that greenbench does not know"):
        open_meter("zeus")
    world.gpus = stand_in.AMDGPUs()
    with pytest.raises(UserError, match="no visible AMD GPU"):
        open_meter("zeus")
    world.soc = object()
    with pytest.raises(UserError, match="object is a chip that greenbench does not know"):
        open_meter("zeus")
    world.soc = stand_in.Jetson()
    with pytest.raises(UserError, match="gave no energy of Jetson"):
        open_meter("zeus")


def test_a_library_that_fails_to_open_is_a_sentence(world, monkeypatch):
    def fail():
        raise ImportError("Unofficial pynvml")

    monkeypatch.setattr(sys.modules["zeus.device"], "get_soc", fail)
    with pytest.raises(UserError, match="opening the devices failed: ImportError: Unofficial pynvml"):
        open_meter("zeus")


def test_a_library_that_hangs_is_given_up(world, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(zeus, "OPENING_S", 0.05)
    monkeypatch.setattr(sys.modules["zeus.device"], "get_soc", over.wait)
    with pytest.raises(UserError, match=r"did not return within 0\.05 s"):
        open_meter("zeus")
    over.set()


def test_without_the_library_the_command_that_brings_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeus", None)
    with pytest.raises(UserError, match=r"cannot be imported.*pip install 'greenbench\[zeus\]'"):
        open_meter("zeus")


@pytest.mark.parametrize("module", ["zeus.device", "zeus.device.gpu", "zeus.device.soc"])
def test_another_package_of_that_name_is_told_apart(world, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    with pytest.raises(UserError, match=rf"the module {module} \(None\) lacks .*pip install"):
        open_meter("zeus")


@pytest.mark.parametrize("version", ["0.15.2", "", None])
def test_an_older_library_is_refused(world, version, monkeypatch):
    monkeypatch.setattr(sys.modules["zeus"], "__version__", version)
    with pytest.raises(UserError, match=r"is too old: 0\.16 is needed"):
        open_meter("zeus")


def test_it_is_chosen_by_name_alone(world):
    amd(world)
    assert known_sources()["zeus"].rank is None
    assert open_meter("auto").name != "zeus"


def test_the_device_has_finished_before_a_window_ends(world):
    amd(world)
    waited = []
    with open_meter("zeus", lambda: waited.append(world.clock.now())) as meter, meter.window("work"):
        world.clock.sleep(6.0)
    assert waited[-1] == 6.0


def test_two_that_measure_a_gpu_disturb_each_other(world, monkeypatch):
    amd(world)
    released = []
    monkeypatch.setattr(lock, "acquire", lambda uuid: None)
    monkeypatch.setattr(lock, "release", released.append)
    open_meter("zeus").close()
    assert released == ["zeus-amd-0"]
    monkeypatch.setattr(lock, "acquire", lambda uuid: "process 12")
    with pytest.raises(UserError, match="process 12 is measuring on AMD Instinct MI300X"):
        open_meter("zeus")
    jetson(world)
    reading = measure(world).reading
    assert reading.energy_j is not None
    assert any("process 12 is measuring on Jetson module" in note for note in reading.notes)
