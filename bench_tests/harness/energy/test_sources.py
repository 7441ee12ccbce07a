"""Sources are found, not listed: a file in the folder, or a module that another package names."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from greenbench.energy import check_source, meter_forms, open_meter, sources
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources import Source
from greenbench.energy.sources.estimate import EstimateMeter
from greenbench.errors import UserError


@pytest.fixture
def installed(monkeypatch):
    """Return a function that installs sources as another package would."""
    sources.known_sources.cache_clear()

    def install(*found):
        module = ModuleType("their_meters")
        module.SOURCES = found
        monkeypatch.setitem(sys.modules, module.__name__, module)
        point = SimpleNamespace(module=module.__name__)
        monkeypatch.setattr(
            sources, "entry_points", lambda group: [point] if group == "greenbench.meters" else []
        )

    yield install
    sources.known_sources.cache_clear()


def absent(reason, *, absent=True):
    def open_it(_request):
        raise SourceUnavailable(reason, absent=absent)

    return open_it


def plug(request):
    return EstimateMeter(7.0, request.synchronize)


def test_the_shipped_sources():
    forms = (
        "auto",
        "all",
        "command:COMMAND",
        "estimate:WATTS",
        "none",
        "nvml",
        "nvml:module",
        "paper",
        "rapl",
        "replay:FILE",
        "zeus",
        "zeus:amd",
        "zeus:apple",
        "zeus:jetson",
    )
    assert meter_forms() == forms


def test_a_source_of_another_package_is_known_by_its_name(installed):
    installed(Source("plug", plug))
    assert "plug" in meter_forms()
    assert check_source("plug") == "plug"
    assert open_meter("plug").name == "estimate 7 W"
    with pytest.raises(UserError, match="meter 'plug:3'"):
        check_source("plug:3")


def test_auto_tries_ranked_sources_in_order_while_devices_are_absent(installed):
    installed(
        Source("nvml", absent("no GPU"), rank=1),
        Source("rapl", absent("no zone"), rank=2),
        Source("plug", plug, rank=3),
    )
    assert open_meter("auto").name == "estimate 7 W"


def test_auto_replaces_no_device_that_is_there_but_cannot_be_read(installed):
    installed(Source("nvml", absent("driver too old", absent=False), rank=1), Source("plug", plug, rank=3))
    meter = open_meter("auto")
    assert meter.name == "none"
    assert meter.reason == "driver too old"


def test_auto_says_why_there_is_no_meter(installed):
    installed(Source("nvml", absent("no GPU"), rank=1), Source("rapl", absent("no zone"), rank=2))
    assert open_meter("auto").reason == "no meter on this machine (no GPU; no zone)"
