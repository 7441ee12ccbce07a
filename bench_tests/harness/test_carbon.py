"""Joules to CO2: regions, amounts with units, and the study's own formula."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.energy.carbon import (
    FRAMES_PER_WEEK,
    carbon_intensity,
    co2_kg,
    co2_kg_per_week,
    intensities,
    paper_co2_kg_per_week,
)
from greenbench.errors import UserError
from greenbench.paper.cells import find_cell, published_cells, verdict_against


def test_a_week_of_video_is_168_hours_at_30_frames():
    assert FRAMES_PER_WEEK == 18_144_000


def test_a_kilowatt_hour_causes_the_intensity():
    assert co2_kg(3.6e6, carbon_intensity("300 g/kWh")) == pytest.approx(0.3)


def test_one_joule_an_image_is_five_kilowatt_hours_a_week():
    assert co2_kg_per_week(1.0, carbon_intensity("1 kg/kWh")) == pytest.approx(18.144e6 / 3.6e6)


def test_unmeasured_energy_stays_unmeasured():
    assert co2_kg_per_week(None, carbon_intensity()) is None
    assert paper_co2_kg_per_week(None) is None


@pytest.mark.parametrize("energy_j", [-1.0, math.nan, math.inf])
def test_energy_that_cannot_be_is_refused(energy_j):
    with pytest.raises(ValueError, match="energy_j must be"):
        co2_kg(energy_j, carbon_intensity())


@pytest.mark.parametrize(
    "setting",
    ["300 g/kWh", "0.3 kg/kWh", "300g/kwh", "  3e2 gCO2e/kWh ", "0.3 kgCO2/kWh", "+0.3kgco2eq / kWh"],
)
def test_amounts_are_read_with_their_unit(setting):
    found = carbon_intensity(setting)
    assert found.kg_per_kwh == pytest.approx(0.3)
    assert (found.region, found.year) == ("user value", None)


@given(st.floats(min_value=0, max_value=5, allow_nan=False))
def test_grams_and_kilograms_are_the_same_amount(kg):
    in_kg = carbon_intensity(f"{kg!r} kg/kWh").kg_per_kwh
    in_g = carbon_intensity(f"{1e3 * kg!r} g/kWh").kg_per_kwh
    assert in_kg == pytest.approx(in_g)


@pytest.mark.parametrize("setting", ["deu", "DEU", " Germany ", "germany"])
def test_regions_are_found_by_code_and_name(setting):
    found = carbon_intensity(setting)
    assert (found.region, found.year, found.kg_per_kwh) == ("Germany", 2023, pytest.approx(0.38095))


def test_every_region_has_source_year_and_a_plausible_value():
    table = intensities()
    assert len(table) > 200
    assert len({entry.region for entry in table.values()}) == len(table)
    for entry in table.values():
        assert entry.source
        assert 2019 <= entry.year <= 2026
        assert 0.01 <= entry.kg_per_kwh <= 1.4


def test_the_default_is_the_world_and_says_so():
    assert str(carbon_intensity()) == "481 g/kWh (World 2023, Ember: Yearly Electricity Data (2024))"


@pytest.mark.parametrize(
    "setting", ["atlantis", "", " ", "0.3", "300 g", "300 g/MWh", "1.2.3 g/kWh", "nan g/kWh", "inf g/kWh"]
)
def test_what_is_neither_region_nor_amount_is_refused(setting):
    with pytest.raises(UserError) as caught:
        carbon_intensity(setting)
    assert repr(setting) in str(caught.value)


def test_codes_of_the_former_table_are_still_valid():
    former = (
        "world eu aus aut bel bra can che chn cze deu dnk egy esp fin fra gbr grc hun ind irl ita jpn kor"
    )
    former += " nld nor nzl pol prt sgp swe twn usa zaf"
    assert set(former.split()) <= intensities().keys()


@pytest.mark.parametrize(
    ("setting", "near"), [("germny", "deu (Germany)"), ("de", "deu (Germany)"), ("us", "usa (United States)")]
)
def test_an_unknown_region_is_answered_with_near_ones(setting, near):
    with pytest.raises(UserError) as caught:
        carbon_intensity(setting)
    assert f"did you mean {near}" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_region_like_no_other_is_answered_with_examples():
    with pytest.raises(UserError, match="known region; write for example deu"):
        carbon_intensity("xyzzyxyzzy")


@pytest.mark.parametrize(
    "setting", ["-1 g/kWh", "-0.3 kg/kWh", "1e400 g/kWh", "1e300 g/kWh", "300 kg/kWh", "10.1 kg/kWh"]
)
def test_an_intensity_that_no_electricity_has_is_refused(setting):
    with pytest.raises(UserError, match="from 0 to 10 kg/kWh"):
        carbon_intensity(setting)


def test_the_studys_formula_gives_all_its_co2_cells():
    cells = published_cells()
    co2 = [cell for cell in cells if cell.metric == "co2"]
    assert len(co2) == 30
    for cell in co2:
        latency = find_cell(cells, cell.dataset, cell.technique, "time")
        # The latency is itself rounded: some time that prints like this gives the printed CO2.
        half = 0.5 * 10.0**-latency.decimals
        steps = [float(latency.printed) + half * share for share in (-1, -0.5, 0, 0.5, 1)]
        low, high = (paper_co2_kg_per_week(ms) for ms in (steps[0], steps[-1]))
        agrees = any(verdict_against(cell.printed, paper_co2_kg_per_week(ms)) == "rounds" for ms in steps)
        assert agrees or low <= float(cell.printed) <= high, cell.name
