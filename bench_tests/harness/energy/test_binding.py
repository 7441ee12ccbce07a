"""A module pynvml that is not NVIDIA's: a sentence with the cure, wherever it is met."""

from __future__ import annotations

import subprocess
import sys

import pytest

from greenbench.cli import main
from greenbench.energy import Status, open_meter
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources.nvml import NEEDED, loaded


@pytest.fixture(params=["older", "broken", "absent"])
def binding(request, tmp_path, monkeypatch):
    """Put another module in the place of the binding."""
    texts = {"older": "def nvmlInit(): pass\n", "broken": "raise OSError('no driver here')\n"}
    if request.param in texts:
        (tmp_path / "pynvml.py").write_text(texts[request.param])
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "pynvml", None)
    return request.param


def test_another_binding_is_named_with_the_cure(binding):
    with pytest.raises(SourceUnavailable) as caught:
        loaded()
    assert "pynvml" in caught.value.reason
    assert "pip install --force-reinstall nvidia-ml-py" in caught.value.next_step
    assert not caught.value.absent


def test_a_package_that_brings_the_module_too_is_to_be_removed(binding, monkeypatch):
    if binding != "older":
        pytest.skip("only a module that can be imported has a package to name")
    monkeypatch.setattr(
        "importlib.metadata.packages_distributions", lambda: {"pynvml": ["nvidia-ml-py3", "nvidia-ml-py"]}
    )
    monkeypatch.setattr("importlib.metadata.version", lambda name: "7.352.0")
    with pytest.raises(SourceUnavailable, match=r"comes from nvidia-ml-py3 7\.352\.0") as caught:
        loaded()
    assert caught.value.next_step.startswith("pip uninstall nvidia-ml-py3; ")


def test_auto_measures_no_other_device_in_its_place(binding):
    with open_meter("auto") as meter, meter.window("work") as window:
        pass
    assert window.reading.status is Status.NOT_MEASURED
    assert "pynvml" in window.reading.reason


def test_doctor_says_so(binding, capsys):
    assert main(["doctor", "--seconds", "5"]) == 1
    assert "force-reinstall nvidia-ml-py" in capsys.readouterr().out


def test_the_binding_has_what_is_needed():
    import pynvml

    assert all(hasattr(pynvml, name) for name in NEEDED)


def test_importing_the_meter_loads_no_binding():
    code = "import sys, greenbench.energy as e; e.meter_forms(); sys.exit('pynvml' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
