"""report.html as people meet it: in a browser, at three widths, in light and dark, with keys alone."""

import os
import shutil
from pathlib import Path

import pytest

from bench_tests.harness.made_records import MACHINE, failure_result, followed, record_of, training_result
from greenbench.energy.carbon import carbon_intensity
from greenbench.records.folder import RecordFolder
from greenbench.report import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine"),
]

SCREENSHOTS = "GREENBENCH_SCREENSHOTS"
"""Names a folder that pictures are kept in."""

WIDTHS = (390, 768, 1280)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # Not as root without this; the page is our own.
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page_at(browser):
    """Return a function that opens a report in a window; what it logs or asks of a network fails the test."""
    contexts, faults = [], []

    def look(path, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or faults.append(request.url))
        page.goto(path.as_uri())
        return page

    yield look
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def report(tmp_path):
    """Return the page of a small study."""
    records = [
        *(followed("baseline", [0.5, 0.8], seed=seed, power_w=10.0) for seed in range(3)),
        *(followed("mixup", [0.4, 0.9], seed=seed, power_w=20.0) for seed in range(3)),
        *(followed("quick", [0.3, 0.7], seed=seed, power_w=5.0) for seed in range(3)),
        record_of("radam", failure_result(), seed=0),
    ]
    return written(tmp_path, records)


def written(folder, records):
    for record in records:
        RecordFolder(folder).write(record, synced=False)
    return write_report(folder, carbon_intensity("world")).page


def column(page, place, table=0):
    rows = page.locator("table.data").nth(table).locator("tbody tr:visible")
    return [row.locator("th, td").nth(place).inner_text() for row in rows.all()]


def kept(page, name):
    """Keep a picture where that is asked for."""
    if folder := os.environ.get(SCREENSHOTS):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_a_click_sorts_by_numbers_and_another_one_turns_them_around(page_at, report):
    page = page_at(report)
    heading = page.locator("table.data").first.get_by_role("button", name="Gain")
    heading.click()
    assert column(page, 0) == ["Quick", "Mixup"]
    assert page.locator("table.data").first.locator("th[aria-sort=ascending]").inner_text().startswith("Gain")
    heading.click()
    assert column(page, 0) == ["Mixup", "Quick"]


def test_keys_alone_sort_and_open_runs(page_at, report):
    page = page_at(report)
    heading = page.locator("table.data").first.get_by_role("button", name="Gain")
    heading.focus()
    page.keyboard.press("Enter")
    assert column(page, 0) == ["Quick", "Mixup"]
    link = page.locator("table.data").first.locator("tbody td a").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.startsWith('#runs-')")
    assert page.locator("details:target[open]").count() == 1
    assert page.locator("details:target a").first.is_visible()


def test_what_has_no_value_stands_last_either_way(page_at, tmp_path):
    records = [record_of(), record_of("mixup", training_result(0.95)), record_of("radam", failure_result())]
    page = page_at(written(tmp_path, records))
    training = page.locator("section[aria-label='Digits: training'] table")
    for _ in range(2):
        training.get_by_role("button", name="Accuracy validation").click()
        assert training.locator("tbody tr").last.inner_text().startswith("Radam")


def test_the_filter_leaves_the_methods_with_that_text(page_at, report):
    page = page_at(report)
    page.get_by_label("Show methods with").fill("MIX")
    assert column(page, 0) == ["Mixup"]
    assert page.locator("#shown").inner_text() == "1 methods"
    page.get_by_label("Show methods with").fill("")
    assert column(page, 0) == ["Mixup", "Quick"]


def test_figures_are_drawn_and_say_the_values_of_a_point(page_at, report):
    page = page_at(report)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    for panel in page.locator(".panel").all():
        panel.scroll_into_view_if_needed()
        panel.locator("svg").wait_for()
    point = page.locator("#figure-1-gain-and-cost path[d]").locator("visible=true")
    assert point.count() > 3
    mark = page.locator("#figure-1-gain-and-cost .mark-symbol path").first
    mark.hover()
    page.locator("#vg-tooltip-element.visible").wait_for()
    assert "Technique" in page.locator("#vg-tooltip-element").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_at_any_width(page_at, ugly, tmp_path, width, scheme):
    page = page_at(written(tmp_path, ugly), width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for panel in page.locator(".panel").all()[:6]:
        panel.scroll_into_view_if_needed()
        panel.locator("svg").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("scrollTo(0, 0)")
    kept(page, f"ugly-{width}-{scheme}")


def test_the_page_follows_the_system_and_the_button_turns_it_around(page_at, report):
    page = page_at(report, color_scheme="dark")
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(shade)
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate(shade) != dark
    assert page_at(report, color_scheme="light").evaluate(shade) != dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page_at, report, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = page_at(report, color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for panel in page.locator(".panel").all():
        panel.scroll_into_view_if_needed()
        panel.locator("svg").wait_for()
    found = axe.run(page).response["violations"]
    assert not [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
    ]
    page.evaluate("scrollTo(0, 0)")
    kept(page, f"report-{scheme}")


def test_axe_would_find_something(page_at, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    bad = tmp_path / "bad.html"
    bad.write_text("<html><body><p style='color:#ccc;background:#fff'>pale</p><input></body></html>")
    impacts = {one["impact"] for one in axe.run(page_at(bad)).response["violations"]}
    assert {"serious", "critical"} & impacts


def test_a_print_leaves_the_tools_out(page_at, report):
    page = page_at(report)
    page.emulate_media(media="print")
    assert not page.locator(".tools").is_visible()
    assert page.locator("table.data").first.is_visible()


def test_ten_thousand_runs_are_a_page_of_less_than_two_megabytes(tmp_path):
    records = [
        record_of(name, training_result(0.8 + seed / 1e4), seed=seed, machine=MACHINE)
        for name in ("baseline", "mixup", "radam", "focal")
        for seed in range(500)
    ]
    assert written(tmp_path, records).stat().st_size < 2_000_000
