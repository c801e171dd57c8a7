"""The order of the stages, written once. A wrapper such as Prefect's gets each stage as a name and a call."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import polars as pl

from curate import manifest
from curate.config import RunConfig
from curate.config.measures import transforms
from curate.corpus import Part, distinct, slices
from curate.errors import CurateError, ModelError, PartialRun, describe
from curate.execution.actors import Pool
from curate.execution.executor import Executor
from curate.index.manifest import read as read_index
from curate.ledger import Counts, gather
from curate.llm.budget import spent, with_share
from curate.llm.session import Identity, Llm
from curate.plan import Plan, make_plan
from curate.reports import bill, card, duplicates, openlineage, report, run_record
from curate.result import RunResult, StageResult
from curate.schema import SYNTHETIC
from curate.stages import (
    arrange,
    census,
    dedup,
    distil,
    extract,
    isolate,
    judge,
    ledger,
    lines,
    measure,
    publish,
    published,
    resolve,
    rewrite,
    sample,
    select,
    synthesize,
)
from curate.step import ISOLATED, Commit, Outcome, Task
from curate.storage import Store

LISTED = 100
"""Failures that the message of a partial run names: Prefect shows it as a state."""

T = TypeVar("T")
Wrap = Callable[[str, Callable[[], Any]], Any]
"""Calls a stage and gives back its result; Prefect's wrapper runs it as a task of that name."""


def direct(name: str, stage: Callable[[], Any]) -> Any:
    """Call the stage, nothing else."""
    del name
    return stage()


@dataclass(frozen=True)
class Corpus:
    """What is known about the documents at one point of the run."""

    parts: tuple[Part, ...]
    signed: tuple[dedup.Signed, ...] = ()
    published: tuple[Commit, ...] = ()
    """What of them was published before, where the config names an index."""

    edges: tuple[Commit, ...] = ()
    bounded: tuple[Commit, ...] = ()
    """Of the distinct parts, in order, as `decisions` are."""

    resolved: Commit | None = None
    scores: tuple[Commit, ...] = ()
    distilled: tuple[Commit, ...] = ()
    """Of the distinct parts, in order; empty where nothing is distilled."""

    decisions: tuple[Commit, ...] = ()


@dataclass
class Pipeline:
    """One run of the stages over one config."""

    config: RunConfig
    work: Store
    executor: Executor
    wrap: Wrap = direct
    allow_partial: bool = False
    rehash: bool = False
    results: list[StageResult] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    """What failed, by content: a version holds no name and no place."""

    bill: Counter[str] = field(default_factory=Counter)
    """What this run has asked models and spent on them so far: see curate/llm/budget.py."""

    learned: str | None = None
    """How far what learned from the judge agrees with it."""

    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """Of its lineage events."""

    def run(self) -> RunResult:
        """plan, extract, lines, [measure, dedup, select, judge, select], synthesize, [again for new rows], publish."""
        output = Store(self.config.output, self.work.disk)
        current = output.pointed("current")
        plan: Plan = self.wrap("plan", lambda: make_plan(self.config, self.work, rehash=self.rehash))
        parts = self.wrap("extract", lambda: self._extract(plan))
        if self.config.dedup and self.config.dedup.lines:
            parts = self.wrap("lines", lambda: self._lines(parts))
        corpus = self._judged(Corpus(parts))
        if self.config.synthesize:
            drafts = self.wrap("synthesize", lambda: self._synthesize(corpus))
            corpus = self._judged(replace(corpus, parts=(*corpus.parts, *drafts)), of=" synthetic")
        result: RunResult = self.wrap("publish", lambda: self._publish(corpus, output, current))
        return result

    def _judged(self, corpus: Corpus, of: str = "") -> Corpus:
        """Measured, deduplicated, selected by the cheap bounds, judged where there is a judge, and selected again."""
        corpus = replace(corpus, parts=self.wrap(f"measure{of}", lambda: self._measure(corpus.parts)))
        if self.config.dedup and self.config.dedup.minhash:
            corpus = self.wrap(f"dedup{of}", lambda: self._dedup(corpus))
        corpus = self.wrap(f"select{of}", lambda: self._select(corpus))
        if self.config.judge:
            corpus = self.wrap(f"judge{of}", lambda: self._judge(corpus))
            corpus = self.wrap(f"select judged{of}", lambda: self._select_judged(corpus))
        return corpus

    # The stages: each makes its tasks, and says what becomes of the commits.

    def _extract(self, plan: Plan) -> tuple[Part, ...]:
        self.failures += plan.failures
        self.missing += [{"content": content} for content in plan.missing]
        outcomes = self._run("extract", extract.tasks(plan.splits, self.config))
        both = list(zip(plan.splits, outcomes, strict=True))
        self.missing += [{"content": s.content, "start": s.start, "end": s.end} for s, o in both if o.error]
        self._stop_if_partial()
        return tuple(Part(split.uri, o.commit) for split, o in both if o.commit)

    def _lines(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """The parts without the lines that many documents have; of what a model writes none is taken."""
        assert self.config.dedup
        assert self.config.dedup.lines
        wanted, execution = self.config.dedup.lines, self.config.execution
        counted = self._run_all("lines", lines.count_tasks(parts, wanted, execution))
        if isolated := self._isolated(parts, counted):
            return self._lines(isolated)
        found = self._run_all("boilerplate", lines.boilerplate_tasks(parts, counted, wanted, execution))
        trimmed = self._run_all("trim", lines.trim_tasks(parts, found, wanted))
        return tuple(Part(part.object, commit) for part, commit in zip(parts, trimmed, strict=True))

    def _measure(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        stages = [("rewrite", rewrite.tasks, "rewritten"), ("measure", measure.tasks, "measures")]
        for stage, tasks, name in stages if transforms(self.config.measure) else stages[1:]:
            both = list(zip(parts, self._run(stage, tasks(parts, self.config)), strict=True))
            self.missing += [{"extracted": part.key} for part, o in both if o.error]
            self._stop_if_partial()
            commits = [o.commit for _, o in both if o.commit]
            parts = [replace(part, **dict[str, Any]({name: o.commit})) for part, o in both if o.commit]
            if isolated := self._isolated(parts, commits):
                return self._measure(isolated)
        return tuple(parts)

    def _dedup(self, corpus: Corpus) -> Corpus:
        assert self.config.dedup
        assert self.config.dedup.minhash
        how = (self.config.dedup.minhash, self.config.execution)
        bands = self._run_all("sign", dedup.sign_tasks(corpus.parts, *how))
        if isolated := self._isolated(corpus.parts, bands):
            return self._dedup(replace(corpus, parts=self._measure(isolated)))
        signed = dedup.signed_parts(corpus.parts, bands)
        candidates = self._run_all("candidates", dedup.candidate_tasks(signed, *how))
        edges = self._run_all("verify", dedup.verify_tasks(self.work, signed, candidates, how[0]))
        return replace(corpus, signed=signed, published=self._published(signed), edges=tuple(edges))

    def _published(self, signed: Sequence[dedup.Signed]) -> tuple[Commit, ...]:
        """Documents like one that was published before; compared with the index as it is now."""
        wanted = self.config.dedup
        if not (wanted and wanted.minhash and wanted.index):
            return ()
        index = read_index(wanted.index)
        index.check(wanted.minhash)
        tasks = published.lookup_tasks(signed, index, wanted.minhash, self.config.execution)
        found = self._run_all("lookup", tasks)
        tasks = published.published_tasks(self.work, signed, index, found, wanted.minhash)
        return tuple(self._run_all("published", tasks))

    def _isolated(self, parts: Sequence[Part], commits: Sequence[Commit]) -> list[Part]:
        """All parts, without the documents that killed their worker in the stage of `commits`; empty if none did."""
        hurt = {
            number: isolate.task(part, commit.stage, commit.notes[ISOLATED])
            for number, (part, commit) in enumerate(zip(parts, commits, strict=True))
            if ISOLATED in commit.notes
        }
        whole = dict(zip(hurt, self._run_all("isolate", list(hurt.values())), strict=True)) if hurt else {}
        return [Part(p.object, whole[n]) if n in whole else p for n, p in enumerate(parts)] if hurt else []

    def _select(self, corpus: Corpus) -> Corpus:
        """Decided by everything but scores."""
        parts = distinct(corpus.parts)
        [taken] = self._run_all("census", [census.task(parts, self.config)])
        bounded = tuple(self._run_all("bound", select.bound_tasks(parts, taken, self.config, corpus.published)))
        corpus = self._resolve(replace(corpus, bounded=bounded, resolved=None))
        return replace(corpus, decisions=self._decide(corpus, select.Judged()))

    def _resolve(self, corpus: Corpus) -> Corpus:
        """With keepers for all duplicates. A text whose neighbours left for others is compared with those once."""
        wanted = self.config.dedup
        if not wanted:
            return corpus
        again = bool(corpus.edges)
        [resolved] = self._run_all("resolve", [resolve.task(corpus.bounded, corpus.edges, wanted, again=again)])
        if again and wanted.minhash and resolved.of("pairs"):
            more = self._run_all("verify", dedup.verify_tasks(self.work, corpus.signed, [resolved], wanted.minhash))
            corpus = replace(corpus, edges=(*corpus.edges, *more))
            [resolved] = self._run_all("resolve", [resolve.task(corpus.bounded, corpus.edges, wanted, again=False)])
        return replace(corpus, resolved=resolved)

    def _select_judged(self, corpus: Corpus) -> Corpus:
        """Decided by everything."""
        judged = select.Judged(corpus.scores, corpus.distilled)
        weigh = select.weigh_task(corpus.bounded, corpus.resolved, judged, self.config)
        [weighed] = self._run_all("weigh", [weigh])
        return replace(corpus, decisions=self._decide(corpus, replace(judged, weighed=weighed)))

    def _decide(self, corpus: Corpus, judged: select.Judged) -> tuple[Commit, ...]:
        parts = distinct(corpus.parts)
        return tuple(self._run_all("select", select.tasks(parts, corpus.bounded, corpus.resolved, judged, self.config)))

    def _judge(self, corpus: Corpus) -> Corpus:
        """With scores of all kept documents, or of a sample; of the others what was learned from these."""
        assert self.config.judge
        sampled = None
        if self.config.judge.max_documents is not None:
            [sampled] = self._run_all("sample", [sample.task(corpus.decisions, self.config)])
        scores = self._ask(corpus, sampled)
        if not (wanted := self.config.judge.distil):
            return replace(corpus, scores=scores)
        [model] = self._run_all("train", [distil.train_task(scores, self.config)])
        self.learned = distil.note(model)
        distilled = tuple(self._run_all("distil", distil.score_tasks(corpus.decisions, model, self.config)))
        if wanted.ask_again:
            [unsure] = self._run_all("unsure", [distil.unsure_task(distilled, scores, self.config)])
            scores = (*scores, *self._ask(corpus, unsure))
        return replace(corpus, scores=scores, distilled=distilled)

    def _ask(self, corpus: Corpus, chosen: Commit | None) -> tuple[Commit, ...]:
        tasks = judge.tasks(corpus.decisions, chosen, self.config, self._llm_identity())
        return tuple(self._run_all("judge", tasks, self._pool()))

    def _synthesize(self, corpus: Corpus) -> tuple[Part, ...]:
        kept = self._kept(corpus, list(synthesize.READ))
        tasks = synthesize.tasks(kept, self.config, self._llm_identity())
        return tuple(Part(SYNTHETIC, commit) for commit in self._run_all("synthesize", tasks, self._pool()))

    def _publish(self, corpus: Corpus, output: Store, current: str | None) -> RunResult:
        decided = {part.key: commit for part, commit in zip(distinct(corpus.parts), corpus.decisions, strict=True)}
        written = self._run_all("ledger", ledger.tasks(corpus.parts, decided, self.config))
        counts = gather(self.work, corpus.parts, written)
        arranged = self._run_all("arrange", arrange.tasks(distinct(corpus.parts), corpus.decisions, self.config))
        parts = self._run_all("publish", publish.tasks(arranged, self.config))
        described = manifest.manifest(self.config, counts, self.missing, self._notes())
        pages = card.pages(self.config, described, counts, parts, card.contents(self._kept(corpus, card.READ)))
        version = publish.publish_version(output, self.work, parts, described, pages, current)
        result = self._result(version, counts)
        commits = {
            "published": corpus.published,
            "dedup": corpus.edges,
            "judge": corpus.scores,
            "select": corpus.decisions,
            "publish": parts,
        }
        try:
            found = duplicates.counted(self.results)
            run_record.write(self.work, self.config, corpus.parts, commits, version.hash, found,
                             bill.counted(self.results, self.config))  # fmt: skip
            report.write(self.work, self.config, result)
            ended = openlineage.complete(self.config, self.run_id, datetime.now(UTC), corpus.parts, result)
            openlineage.append(self.work, ended)
        except OSError as error:
            raise CurateError(
                f"version {version.hash} is published in {self.config.output}, and its report could not be written: "
                f"{describe(error)}"
            ) from error
        return result

    # What the stages share.

    def _run(self, stage: str, tasks: Sequence[Task], pool: Pool | None = None) -> list[Outcome]:
        """Run tasks, note how the stage went, and collect the failures."""
        began = time.monotonic()
        outcomes = self.executor.run(stage, tasks, pool)
        failed = [o.error for o in outcomes if o.error]
        self.failures += dict.fromkeys(failed)
        counts: Counter[str] = Counter()
        largest: dict[str, int] = {}
        for commit in (outcome.commit for outcome in outcomes if outcome.commit):
            counts.update(commit.counts)
            for name, value in commit.notes.items():
                if value.isdecimal():
                    largest[name] = max(int(value), largest.get(name, 0))
        executed = sum(o.executed for o in outcomes)
        self.bill.update(spent(outcome.commit.counts for outcome in outcomes if outcome.commit and outcome.executed))
        seconds = time.monotonic() - began
        self.results.append(StageResult(stage, len(tasks), executed, len(failed), seconds, dict(counts), largest))
        return outcomes

    def _run_all(self, stage: str, tasks: Sequence[Task], pool: Pool | None = None) -> list[Commit]:
        """The commits of a stage that cannot do with less than all. Raises CurateError with what failed."""
        outcomes = self._run(stage, tasks, pool)
        errors = [o.error for o in outcomes if o.error]
        if errors:
            raise (ModelError if pool else CurateError)(f"{stage}: " + "; ".join(dict.fromkeys(errors)))
        return [o.commit for o in outcomes if o.commit]

    def _stop_if_partial(self) -> None:
        if self.failures and not self.allow_partial:
            beyond = len(self.failures) - LISTED
            listed = "\n  ".join([*self.failures[:LISTED], *([f"and {beyond} more"] if beyond > 0 else [])])
            raise PartialRun(
                f"{len(self.failures)} splits or objects failed; nothing was published:\n  {listed}\n"
                "Mend them and run again (finished splits are kept), or pass --allow-partial to publish without them",
                self.failures,
            )

    def _kept(self, corpus: Corpus, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Columns of the kept documents, in slices."""
        for commit in corpus.decisions:
            for rows in slices(self.work, commit.of("decisions"), ["status", *columns]):
                yield rows.filter(pl.col("status") == "kept").drop("status")

    def _llm_identity(self) -> Identity:
        assert self.config.llm
        return Llm.identity_of(self.config.llm)

    def _pool(self) -> Pool:
        assert self.config.llm
        cache = self.config.llm.cache or self.work.root / "responses"
        gpus = 0 if self.config.llm.endpoint else self.config.llm.tensor_parallel
        return Pool(Llm, (with_share(self.config.llm, self.bill), cache), self.config.llm.replicas, gpus)

    def _notes(self) -> list[str]:
        return manifest.notes(self.config, self.learned, len(self.failures))

    def _result(self, version: publish.Version, counts: Counts) -> RunResult:
        return RunResult(
            status="partial" if self.failures else "done",
            version=version.hash,
            published=version.changed,
            output=self.config.output,
            work=self.config.work,
            report=self.config.work / report.NAME,
            **asdict(counts),
            stages=tuple(self.results),
            failures=tuple(self.failures),
            notes=tuple(self._notes()),
        )
