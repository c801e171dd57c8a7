import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest

from curate.reports import report, run_record
from curate.reports.facts import FunnelRow, histogram
from curate.result import StageResult
from tests.curate.conftest import Inputs
from tests.curate.hostile import HOSTILE

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes and the text of a page; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def write(run, **changes) -> str:
    report.write(run.work, run.config, replace(run.result, **changes))
    return run.work.read(report.NAME).decode()


def test_page_stands_alone_and_runs_nothing(small_run, mixed):
    page = Page(write(small_run(mixed)))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {"src", "srcset", "action"} & names
    assert not any(name.startswith("on") for name in names)
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "url(" not in write(small_run(mixed))


def with_samples(mixed):
    return replace(mixed, settings={**mixed.settings, "report": {"samples": 4}})


def test_no_text_is_shown_unless_the_config_asks_for_samples(small_run, mixed):
    shown = [doc for doc in mixed.documents if doc.text[:40] in Page(write(small_run(mixed))).text]
    assert shown == []
    assert "Samples" not in write(small_run(mixed))
    asked = Page(write(small_run(with_samples(mixed)))).text
    assert sum(doc.text[:40] in asked for doc in mixed.documents) >= 4


def test_markup_in_documents_is_shown_not_obeyed(small_run, mixed):
    raw = write(small_run(with_samples(mixed)))
    page = Page(raw)
    assert "<script>" not in raw
    assert "<b>short</b>" not in raw
    assert "<script>alert('x')</script> \"quoted\" & short" in page.text


def test_names_from_outside_cannot_steer_the_page(small_run, mixed):
    named = [replace(mixed.documents[0], url=f"{name}{n}", object=name) for n, name in enumerate(HOSTILE)]
    documents = [*named, *mixed.documents]
    failures = tuple(f"{name}: cut at byte 7" for name in HOSTILE)
    raw = write(small_run(replace(with_samples(mixed), documents=documents)), status="partial", failures=failures)
    assert all(c.isprintable() or c == "\n" for c in raw)
    assert "<script" not in raw
    page = Page(raw)
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.text.count("cut at byte 7") == len(HOSTILE)


def test_control_characters_of_a_text_are_shown_as_escapes(small_run, mixed):
    text = "\x1b[2J\0" + mixed.documents[0].text
    hurt = replace(with_samples(mixed), documents=[replace(mixed.documents[0], text=text)], edges=[], scores=None)
    assert r"\x1b[2J\x00" in Page(write(small_run(hurt))).text


@pytest.mark.parametrize("samples", [0, 2])
def test_near_duplicates_are_shown_side_by_side_where_samples_are_asked_for(small_run, mixed, samples):
    plain = mixed.documents[0]
    keeper = replace(plain, url="http://x.example/1", text=f"{plain.text} rivers run </td><script>alert(1)</script>")
    copies = [
        replace(plain, url=f"{name}{n}", text=f"{plain.text} <b>\x1b[2J\u202e{n}</b>") for n, name in enumerate(HOSTILE)
    ]
    edges = [(keeper, copy, 0.76 + n / 100) for n, copy in enumerate(copies)]
    settings = mixed.settings | {"report": {"samples": samples}}
    raw = write(small_run(Inputs([keeper, *copies], edges=edges, settings=settings)))
    page = Page(raw)
    assert "<script" not in raw
    section = raw.partition('id="duplicates"')[2].partition("</section>")[0]
    assert "<b>" not in section
    assert all(c.isprintable() or c == "\n" for c in section)
    shown = page.text.partition("Least like their keepers")[2].partition("curate dedup clusters")[0]
    assert bool(shown) == bool(samples)
    if samples:
        assert "alert ( 1 )".replace(" ", "") in shown.replace(" ", "")
        assert r"\x1b" in shown
        assert r"\u202e" in shown
        assert "similarity 0.760" in shown
        assert page.tags.count("mark") >= 2
    else:
        assert "alert" not in raw
        assert plain.text[:40] not in page.text


def test_sizes_and_steps_of_deduplication_are_shown(small_run, mixed):
    run = small_run(mixed)
    counts = {"looked_at": 1234, "not_compared": 5678, "largest_bucket": 91, "again": 3}
    commits = {name: [] for name in ("dedup", "judge", "select", "publish")}
    run_record.write(run.work, run.config, run.parts, commits, run.result.version, counts)
    text = Page(write(run)).text
    assert "texts signed 1,234" in text
    assert "not compared 5,678" in text
    assert "in one that more than 16 texts share" in text
    assert "Sizes of clusters size clusters documents 1 " in text
    assert "the only ones" not in text, "a counter that the run does not have is not shown"


def test_headlines_and_reasons_are_those_of_the_run(small_run, mixed):
    run = small_run(mixed)
    text = Page(write(run)).text
    assert f"{run.counts.records_in} documents read" in text
    for rule in run.counts.reasons:
        assert rule in text
    assert run.result.version in text
    assert str(run.config.work) in text
    assert "warc.truncated" in text
    assert "quality is uncalibrated" in text


def test_removal_across_languages_is_counted_and_shown(small_run, mixed):
    text = Page(write(small_run(mixed))).text
    assert re.search(r"The keeper of 1 of the near-duplicates is in another detected language", text)
    assert "http://b.example/near" in text
    assert "0.812" in text


def test_histogram_draws_the_bounds(small_run, mixed):
    text = Page(write(small_run(mixed))).text
    assert "≥ 20" in text
    assert "≤ 1" in text
    assert "≥ 2" in text


def test_histograms_count_every_value_and_what_lies_beyond(small_run, mixed):
    run = small_run(mixed)
    ledger = run.ledger
    measures = run_record.read(run.work.root).measures
    for measure in measures:
        found = histogram(ledger.lazy(), measure, measures)
        values = ledger[measure.column].drop_nulls()
        low = -math.inf if measure.min is None else measure.min
        high = math.inf if measure.max is None else measure.max
        assert sum(found.counts) == found.documents == len(values)
        assert sum(found.beyond) == ((values < low) | (values > high)).sum()
        assert all(beyond <= count for beyond, count in zip(found.beyond, found.counts, strict=True))


def test_synthesis_is_counted_in_order(small_run, mixed):
    run = small_run(mixed)
    counts = {"accepted": 1, "asked": 3, "failed": 0, "in": 3, "llm.prompt_tokens": 1234, "rejected": 2}
    stages = (*run.result.stages, StageResult("synthesize", 1, 1, 0, 2.0, counts))
    text = Page(write(run, stages=stages)).text
    assert "asked 3 accepted 1 rejected 2 failed 0 prompt tokens 1,234" in text


def test_failures_make_the_page_partial(small_run, mixed):
    page = write(small_run(mixed), status="partial", failures=("pages.warc.gz: cut at byte 7 <&>",))
    assert 'class="pill partial"' in page
    assert "cut at byte 7 <&>" in Page(page).text


def test_report_of_a_run_without_documents(small_run, mixed):
    empty = replace(mixed, documents=[], edges=[], scores=None, rejected=[], quarantined=[])
    run = small_run(empty)
    Page(write(run))
    assert [row.remaining for row in report.funnel(run.work)] in ([], [0])


def test_funnel_ends_with_what_was_kept_and_misses_nobody(small_run, mixed):
    run = small_run(mixed)
    rows = report.funnel(run.work)
    assert all(isinstance(row, FunnelRow) for row in rows)
    assert rows[-1].remaining == run.counts.kept
    for before, after in pairwise(rows):
        assert after.remaining == before.remaining - after.removed
        assert after.share == pytest.approx(after.remaining / rows[0].remaining)
    ledger = run.ledger
    assert rows[0].remaining == len(ledger.filter(~pl.col("is_synthetic")))


def test_bound_of_a_keep_fraction_is_drawn(small_run, mixed):
    measures = [{"filter": "length.words", "keep": {"keep_fraction": 0.5}}]
    run = small_run(replace(mixed, settings={**mixed.settings, "measure": measures}))
    found = run.ledger.filter(pl.col("reason").str.starts_with("length.words"))["reason"][0]
    bound = float(found.rpartition(" < ")[2])
    assert f"≥ {bound:g}" in Page(write(run)).text


def test_same_ledger_same_page(small_run, mixed):
    run = small_run(mixed)
    assert write(run) == write(run)


def test_bounds_by_language_are_shown_and_counted_by(small_run, mixed):
    own = {"de": {"length.words": {"min": 66}}, "und": {"length.words": {"min": None}}}
    run = small_run(replace(mixed, settings=mixed.settings | {"by_language": own}))
    words = run_record.read(run.work.root).measures[0]
    found = histogram(run.ledger.lazy(), words, [words])
    limits = {"deu_Latn": 66, "und": -1}
    values = run.ledger.select("lang", words.column).drop_nulls().rows()
    assert sum(found.beyond) == sum(value < limits.get(lang, 20) for lang, value in values) == 1
    text = Page(write(run)).text
    assert "other bounds in 2 languages" in text
    assert "66 <= value" in text
