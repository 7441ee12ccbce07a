"""report.html: one file, whose texts are texts, and in which a number leads to its record."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench_tests.harness.made_records import MACHINE, failure_result, record_of, training_result
from greenbench.energy.carbon import carbon_intensity
from greenbench.records.results import Skipped
from greenbench.report import page
from greenbench.report.content import collect
from greenbench.report.page import runs as runs_module

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'&amp; </script> [y](javascript:z) ![](http://e.com/x.png)"
MOST_BYTES = 2_000_000
VOID = {"meta", "input", "br", "link", "img", "hr"}


class Reader(HTMLParser):
    """Collects elements, ids, links and texts of a page; texts of scripts and styles apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.texts, self.stack = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("script", "style"):
            self.texts.append(data)


def page_of(*records):
    text = page.render(collect(records, [], carbon_intensity("world")))
    return text, Reader(text)


def test_elements_close_ids_are_unique_and_links_lead_somewhere(varied, tmp_path):
    text, found = page_of(*varied, record_of("blurpool", Skipped("no stride"), kind="training"))
    assert not found.stack
    assert len(found.ids) == len(set(found.ids))
    here = [link[1:] for link in found.links if link.startswith("#")]
    assert set(here) <= set(found.ids)
    files = {link for link in found.links if not link.startswith("#")}
    assert files == {record.file_name for record in varied}
    assert len(text.encode()) < MOST_BYTES


def test_it_asks_nothing_of_any_network(varied):
    text, found = page_of(*varied)
    for _, attributes in found.tags:
        assert not {"src", "srcset", "action", "background"} & set(attributes)
    policy = next(a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_texts_of_records_are_texts():
    _, safe = page_of(record_of(), record_of("mixup"), record_of("radam", failure_result("x")))
    text, found = page_of(
        record_of(),
        record_of("mixup", title=EVIL, card=EVIL),
        record_of("radam", failure_result(error=EVIL)),
        record_of(workload="scenes", workload_title=EVIL, disturbed=EVIL),
        record_of(machine=replace(MACHINE, gpu=EVIL)),
        record_of("lookahead", Skipped(EVIL), kind="training"),
    )
    assert "<script>alert" not in text
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert not [link for link in found.links if "javascript" in link or link.startswith("http")]
    scripts = [attributes for tag, attributes in found.tags if tag == "script"]
    assert all(attributes in ({}, {"type": "application/json"}) for attributes in scripts)
    assert (
        len([a for a in scripts if not a]) == len([a for t, a in safe.tags if t == "script" and not a]) == 2
    )
    assert "<script>alert(1)</script>" in "".join(found.texts)
    assert "alert" not in "".join(safe.texts)


def test_specifications_are_json_that_no_title_can_end():
    text, _ = page_of(record_of(), record_of("mixup", training_result(0.95), title=EVIL))
    specs = re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    assert specs
    for spec in specs:
        assert {"layer", "mark"} & json.loads(spec).keys()


def test_a_number_leads_to_its_runs_and_they_to_their_record():
    record = record_of("mixup", training_result(0.95, energy_j=80))
    text, found = page_of(record_of(), record)
    row = re.search(r'<tr data-method="mixup">(.*?)</tr>', text.partition("Digits: training")[2], re.S)[1]
    (anchor,) = set(re.findall(r'href="#([\w-]+)"', row))
    group = text.partition(f'<details id="{anchor}">')[2].partition("</details>")[0]
    assert f'href="{record.file_name}"' in group
    assert "Energy 80.0 J, measured: test; window of 2.00 s; 40 W on average." in group
    assert "Energy –, not-measured: none" in text
    assert anchor in found.ids


def test_more_runs_than_a_page_can_hold_are_left_out_in_words(monkeypatch):
    monkeypatch.setattr(runs_module, "MOST_RUNS", 3)
    text, found = page_of(
        *(record_of(name, seed=seed) for name in ("baseline", "mixup") for seed in range(2))
    )
    assert "2 runs are left out here; results.csv has all." in text
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)


def test_what_is_sorted_by_is_the_number_and_not_its_text():
    text, _ = page_of(record_of(), record_of("slow", training_result(0.9, seconds=2000.0)))
    assert 'data-value="2000.0"' in text
    assert ">33.3 min<" in text


@pytest.mark.parametrize("records", [[], ["failed"]])
def test_without_results_it_is_a_page_too(records):
    text, found = page_of(*(record_of(result=failure_result("boom")) for _ in records))
    assert not found.stack
    assert "vegaEmbed=" not in text
