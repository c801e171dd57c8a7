"""A small run through the real functions of the engine, without Ray and without readers: `small_run(...)`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import hypothesis
import polars as pl
import pyarrow as pa
import pytest

from curate import lineage
from curate.config import RunConfig
from curate.config.measures import transforms
from curate.corpus import Part, distinct, read_rows
from curate.ledger import Counts, gather
from curate.reports import card, report, run_record
from curate.result import RunResult, StageResult
from curate.schema import DOCUMENTS, EDGES, QUARANTINED, REJECTED, SCORES, SYNTHETIC
from curate.stages import arrange, census, ledger, measure, publish, resolve, rewrite, select
from curate.step import Commit, Task, run_step
from curate.storage import Store

# A test that compiles or warms a cache on its first example is not slow: no test asserts a time.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@dataclass(frozen=True)
class Doc:
    """A document that `extract` (or, with parents, `synthesize`) could have committed."""

    text: str
    url: str | None = None
    source: str = "web"
    lang: str = "eng_Latn"
    date: datetime | None = None
    license: str | None = None
    parents: tuple["Doc", ...] = ()
    object: str = "pages.warc.gz"

    @property
    def id(self) -> bytes:
        return lineage.document_id(self.source, self.url or "", self.text.encode())

    @property
    def text_hash(self) -> bytes:
        return lineage.text_hash(self.text)

    def row(self, offset: int) -> dict[str, Any]:
        return {
            "id": self.id, "text": self.text, "text_hash": self.text_hash, "url": self.url, "source": self.source,
            "date": self.date, "lang": self.lang, "lang_score": 0.9, "license": self.license,
            "license_source": "record" if self.license else None, "transforms": ["normalise@1"],
            "is_synthetic": bool(self.parents), "derived_from": [p.id for p in self.parents],
            "generator": {"model": "m", "revision": "r", "prompt_hash": "p"} if self.parents else None,
            "offset": offset, "end": offset + 10,
        }  # fmt: skip


@dataclass(frozen=True)
class SmallRun:
    config: RunConfig
    work: Store
    parts: tuple[Part, ...]
    decisions: tuple[Commit, ...]
    published: tuple[Commit, ...]
    counts: Counts
    manifest: dict[str, Any]
    pages: dict[str, str]
    result: RunResult

    @property
    def decided(self) -> dict[str, Commit]:
        return {part.key: commit for part, commit in zip(distinct(self.parts), self.decisions, strict=True)}

    @property
    def ledger(self) -> pl.DataFrame:
        return pl.read_parquet([self.work.path(name) for name in self.work.list("ledger")])

    @property
    def version(self) -> Path:
        assert self.result.version
        return self.result.output / "versions" / self.result.version


@dataclass(frozen=True)
class Inputs:
    """What a small run starts from."""

    documents: Sequence[Doc]
    rejected: Sequence[tuple[str, str]] = ()
    """(url, reason) that `extract` turned away, in the object of the first document."""

    quarantined: Sequence[str] = ()
    """Reasons."""

    edges: Sequence[tuple[Doc, Doc, float]] = ()
    scores: Sequence[tuple[Doc, float | None]] | None = None
    """None: nobody was judged. A document with None failed."""

    settings: dict[str, Any] = field(default_factory=dict)


def run_task(store: Store, task: Task) -> Commit:
    return run_step(store, task.stage, task.key, lambda writer: task.run(writer, store, *task.args))


def _part(store: Store, name: str, inputs: Inputs, *, first: bool) -> Part:
    documents = [doc for doc in inputs.documents if doc.object == name]
    rejected = inputs.rejected if first else ()
    quarantined = inputs.quarantined if first else ()

    def work(writer: Any) -> None:
        rows = [doc.row(100 * n) for n, doc in enumerate(documents)]
        out = [
            {"url": url, "source": "web", "reason": reason, "offset": 50 + 100 * n, "end": 60 + 100 * n}
            for n, (url, reason) in enumerate(rejected)
        ]
        hurt = [{"source": "web", "reason": why, "detail": "cut", "offset": 9000, "end": 9999} for why in quarantined]
        for kind, values, schema in (
            ("documents", rows, DOCUMENTS), ("rejected", out, REJECTED), ("quarantined", hurt, QUARANTINED)
        ):  # fmt: skip
            if values:
                writer.write(kind, pa.Table.from_pylist(values, schema=schema))
        writer.count("in", len(rows) + len(out) + len(hurt))
        writer.count("skipped.warcinfo")

    content = [[doc.id.hex() for doc in documents], list(rejected), list(quarantined)]
    stage = "synthesize" if name == SYNTHETIC else "extract"
    return Part(name, run_step(store, stage, lineage.key(stage, content), work))


def _table_commit(store: Store, stage: str, kind: str, rows: list[dict[str, Any]], schema: pa.Schema) -> Commit:
    def work(writer: Any) -> None:
        writer.write(kind, pa.Table.from_pylist(rows, schema=schema))

    return run_step(store, stage, lineage.key(stage, repr(rows)), work)


def _edges(store: Store, inputs: Inputs, ordered: Sequence[Doc]) -> tuple[Commit, ...]:
    numbers = {doc.text_hash: number for number, doc in reversed(list(enumerate(ordered)))}
    rows = []
    for one, other, similarity in inputs.edges:
        a, b = sorted((one.text_hash, other.text_hash))
        values = {"similarity": similarity, "containment": similarity, "kind": "similar"}
        rows.append({"a": a, "b": b, "a_number": numbers[a], "b_number": numbers[b]} | values)
    return (_table_commit(store, "verify", "edges", rows, EDGES),) if rows else ()


def _scores(store: Store, inputs: Inputs) -> tuple[Commit, ...]:
    rows = [
        {
            "id": doc.id, "text_hash": doc.text_hash, "quality": score, "quality_entropy": 0.5,
            "quality_status": "failed" if score is None else "scored",
            "quality_source": None if score is None else "judge",
            "quality_model": None if score is None else "small@1/educational@1",
        }
        for doc, score in inputs.scores or ()
    ]  # fmt: skip
    return (_table_commit(store, "judge", "scores", rows, SCORES),) if rows else ()


def _decisions(
    store: Store, parts: Sequence[Part], edges: Sequence[Commit], scores: tuple[Commit, ...], config: RunConfig,
    *, judged: bool,
) -> tuple[Commit, ...]:  # fmt: skip
    taken = run_task(store, census.task(parts, config))
    bounded = [run_task(store, task) for task in select.bound_tasks(parts, taken, config)]
    resolved = run_task(store, resolve.task(bounded, edges, config.dedup, again=False)) if config.dedup else None
    found = select.Judged()
    if judged:
        weighed = run_task(store, select.weigh_task(bounded, resolved, select.Judged(scores), config))
        found = select.Judged(scores, weighed=weighed)
    return tuple(run_task(store, task) for task in select.tasks(parts, bounded, resolved, found, config))


def write_ledger(store: Store, parts: Sequence[Part], decisions: Mapping[str, Commit], config: RunConfig) -> Counts:
    """What the stage leaves, and the counts over it."""
    return gather(store, parts, [run_task(store, task) for task in ledger.tasks(parts, decisions, config)])


def kept_rows(store: Store, decisions: Sequence[Commit]) -> list[pl.DataFrame]:
    """The kept rows of the decisions."""
    rows = read_rows(store, decisions, "decisions")
    return [] if rows is None else [rows.filter(pl.col("status") == "kept")]


def build(root: Path, inputs: Inputs) -> SmallRun:
    """What a run of these documents leaves in `root`/work and `root`/out."""
    settings = {"name": "small", "inputs": [{"source": "web", "uri": "pages"}], **inputs.settings}
    config = RunConfig.model_validate({**settings, "output": root / "out", "work": root / "work"})
    work = Store(config.work)
    names = list(dict.fromkeys(doc.object for doc in inputs.documents)) or ["pages.warc.gz"]
    parts = tuple(_part(work, name, inputs, first=n == 0) for n, name in enumerate(names))
    measured = [run_task(work, task) for task in measure.tasks(parts, config)]
    texts = [run_task(work, task) for task in rewrite.tasks(parts, config)] if transforms(config.measure) else []
    parts = tuple(Part(p.object, p.documents, m, t) for p, m, t in zip_longest(parts, measured, texts))
    ordered = [doc for part in distinct(parts) for doc in inputs.documents if doc.object == part.object]
    edges, scores = _edges(work, inputs, ordered), _scores(work, inputs)
    decisions = _decisions(work, distinct(parts), edges, scores, config, judged=inputs.scores is not None)
    by_part = {part.key: commit for part, commit in zip(distinct(parts), decisions, strict=True)}
    counts = write_ledger(work, parts, by_part, config)
    arranged = [run_task(work, task) for task in arrange.tasks(distinct(parts), decisions, config)]
    published = tuple(run_task(work, task) for task in publish.tasks(arranged, config))
    manifest = {
        "name": config.name, "config": config.identity(), "code": {"curate": card.package_version()},
        "counts": asdict(counts), "notes": ["The judge is uncalibrated."] if config.judge else [],
    }  # fmt: skip
    pages = card.pages(config, manifest, counts, published, card.contents(kept_rows(work, decisions)))
    output = Store(config.output)
    version = publish.publish_version(output, work, published, manifest, pages, output.pointed("current"))
    result = RunResult(
        status="done", version=version.hash, published=version.changed, output=config.output, work=config.work,
        report=config.work / report.NAME, **asdict(counts), failures=(), notes=tuple(manifest["notes"]),
        stages=(StageResult("extract", len(parts), len(parts), 0, 1.25, {"in": counts.records_in}),),
    )  # fmt: skip
    commits = {"dedup": edges, "judge": scores, "select": decisions, "publish": published}
    run_record.write(work, config, parts, commits, version.hash)
    return SmallRun(config, work, parts, decisions, published, counts, manifest, pages, result)


@pytest.fixture
def small_run(tmp_path: Path) -> Callable[[Inputs], SmallRun]:
    """Builds a finished run in the test's folder."""
    return lambda inputs: build(tmp_path, inputs)


WORDS = ("It", "is", "said", "that", "the", "river", "has", "two", "sides", "and", "of", "the", "we", "have", "seen")


def prose(number: int, words: int = 60) -> str:
    """A text of `words` words that differs from that of every other number."""
    return " ".join(f"{WORDS[(i * 7 + number) % len(WORDS)]}{number if i % 5 == 0 else ''}" for i in range(words))


MIXED = {
    "measure": [
        {"filter": "length.words", "keep": {"min": 20}, "publish": True},
        {"filter": "gopher.alpha_word_ratio", "keep": {"max": 1.0}},
        {"filter": "length.characters"},
    ],
    "dedup": {"minhash": {}},
    "llm": {}, "judge": {"keep": {"min": 2.0, "missing": {"not_sampled": "keep", "failed": "reject"}}},
    "synthesize": {}, "publish": {"validation_share": 0.1},
}  # fmt: skip


@pytest.fixture
def mixed() -> Inputs:
    """Documents that meet every fate: kept, too short, copies, near-copies across languages, judged down, synthetic."""
    best = Doc(prose(1), "http://a.example/best", license="CC-BY-4.0", date=datetime(2020, 1, 1, tzinfo=UTC))
    plain = Doc(prose(2, 70), "http://a.example/plain")
    near = Doc(prose(2, 65), "http://b.example/near", lang="deu_Latn")
    copy = Doc(prose(1), "http://b.example/copy", date=datetime(2021, 1, 1, tzinfo=UTC))
    short = Doc("<script>alert('x')</script> \"quoted\" & short", "http://a.example/<b>short</b>", lang="und")
    poor, orphan = Doc(prose(3, 80), "http://c.example/poor"), Doc(prose(3, 75), "http://c.example/poorer")
    failed = Doc(prose(4), "http://c.example/failed")
    written = Doc(prose(5), None, source="synthetic", parents=(best,), object=SYNTHETIC)
    again = Doc(prose(2, 70), "http://a.example/plain", object="more.warc.gz")
    return Inputs(
        documents=[best, plain, near, copy, short, poor, orphan, failed, again, written],
        rejected=[("http://d.example/404", "extract.status=404")],
        quarantined=["warc.truncated"],
        edges=[(plain, near, 0.8125), (poor, orphan, 0.9)],
        scores=[(best, 4.5), (plain, 3.0), (poor, 1.25), (failed, None), (written, 3.5)],
        settings=MIXED,
    )
