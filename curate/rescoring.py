"""Other bounds over the ledger of a finished run: what would be kept. Reads no text and runs no stage."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.changes import Changes, changes, documents_of
from curate.config import RunConfig
from curate.config.settings import target, with_settings
from curate.corpus import read_rows
from curate.decisions import columns_of, select
from curate.errors import ConfigError
from curate.llm.scoring import NOT_SAMPLED
from curate.reports import run_record
from curate.reports.run_record import RunRecord
from curate.runs import KEY
from curate.step import find
from curate.storage import Store

SIDES = ("min", "max")


@dataclass(frozen=True)
class Rescored:
    """What other bounds would do."""

    changes: Changes
    must_run: Mapping[str, str]
    """Stage that a run with these bounds would execute -> why."""

    notes: tuple[str, ...]
    """Why settings do less than they seem to, a sentence each."""

    decisions: pl.DataFrame
    """A row a document: id, status, reason, and status_before and reason_before."""

    def to_json(self) -> dict[str, Any]:
        """Everything but the decisions."""
        return {"changes": asdict(self.changes), "must_run": dict(self.must_run), "notes": list(self.notes)}


def rescore(work: Path, settings: Sequence[str]) -> Rescored:
    """Decide again with `KEY=VALUE` settings as curate/config/settings.py takes them.

    Raises ConfigError for a setting that no bound is, CurateError where there is no finished run.
    """
    record = run_record.read(work)
    config = with_settings(record.settings, settings)
    _check_similarity(record, config)
    store = Store(work)
    columns = columns_of(config)
    before = documents_of(store.scan(store.list("ledger"))).collect()
    texts = before.filter(pl.col("shard").is_not_null())
    facts = texts.select(
        "id", "text_hash", "url", "source", "date", "lang", "is_synthetic", "text_chars", "shard", "row", *columns,
        license=pl.lit(None, pl.String), part=pl.lit(""),
    )  # fmt: skip
    scored = texts.filter(pl.col("quality_status").is_not_null() & (pl.col("quality_status") != NOT_SAMPLED))
    decided = select(
        facts, _edges(store, record, config), scored, config, judged=bool(config.judge),
        published=_published(store, record),
    )  # fmt: skip
    after = pl.concat([
        decided.select("id", "status", "reason", "text_hash"),
        before.filter(pl.col("shard").is_null()).select("id", "status", "reason", "text_hash"),
    ])  # fmt: skip
    was = before.select("id", status_before="status", reason_before="reason")
    found = changes(before, after)
    return Rescored(
        found,
        _must_run(config, decided.join(was, on="id"), found),
        tuple(_notes(config, settings, set(texts["lang"].unique()))),
        after.select("id", "status", "reason").join(was, on="id", how="left", maintain_order="left"),
    )


def _notes(config: RunConfig, settings: Sequence[str], present: Set[str]) -> Iterator[str]:
    """`present`: languages of the run's documents."""
    for setting in settings:
        name = setting.partition("=")[0].strip()
        path = target(name)
        if path[0] == "by_language" and len(path) > 1:
            yield from _unmet(config, path[1], present)
        elif len(path) > 1 and path[1] in SIDES and (own := _keep_their_own(config, *path) & present):
            yield f"{name}: by_language rows of {', '.join(sorted(own))} keep their own {path[1]}"


def _unmet(config: RunConfig, language: str, present: Set[str]) -> Iterator[str]:
    """Why a row decides on no document; others may take after it."""
    if language in {row.like for row in config.by_language.values()}:
        return
    if config.languages is not None and language not in config.languages:
        yield f"by_language.{language}: no document meets this row, as `languages` turns {language} away"
    elif language not in present:
        yield f"by_language.{language}: no document meets this row, as the run has none in {language}"


def _keep_their_own(config: RunConfig, rule: str, side: str) -> Set[str]:
    """The languages whose bound is another than that of the entry in `measure`."""
    return {
        language
        for each in config.measured
        if each.filter.filter == rule
        for language, bounds in each.by_language.items()
        if getattr(bounds, side, None) != getattr(each.filter.keep, side, None)
    }


def _must_run(config: RunConfig, decided: pl.DataFrame, found: Changes) -> dict[str, str]:
    """The stages that a run with these bounds has to do, as far as the ledger tells."""
    if not (found.entered or found.left or found.reasons):
        return {}
    must = {"select": "decides"}
    if config.judge:
        new = decided.filter((pl.col("status") == "kept") & (pl.col("status_before") != "kept"))
        unasked = int((new["quality_status"] == NOT_SAMPLED).sum())
        must["judge"] = f"{unasked:,} of those let in have no score" if unasked else "its sample is drawn again"
    if config.synthesize:
        must["synthesize"] = "its sources are chosen again"
    return must | {"publish": "another version"}


def _edges(store: Store, record: RunRecord, config: RunConfig) -> pl.DataFrame | None:
    """The near-duplicates of the run that meet the bound. Raises CurateError where they are gone."""
    if config.dedup is None or config.dedup.minhash is None:
        return None
    rows = read_rows(store, run_record.edges(store, record), "edges")
    if rows is None:
        return None
    bounds, contained = config.dedup.minhash, pl.lit(value=False)
    if bounds.min_containment is not None:
        contained = pl.col("containment") >= bounds.min_containment
    return rows.filter((pl.col("similarity") >= bounds.min_similarity) | contained)


def _published(store: Store, record: RunRecord) -> pl.DataFrame | None:
    """What the run found in the index, whatever the index is today."""
    commits = [find(store, "published", key) for key in record.commits.get("published", ())]
    rows = read_rows(store, [commit for commit in commits if commit], "published")
    return None if rows is None else rows.drop(KEY, "number").unique("id")


def _check_similarity(record: RunRecord, config: RunConfig) -> None:
    """A pair below the bound of the run is no edge: it was looked at and forgotten."""
    minhash = (record.settings.get("dedup") or {}).get("minhash")
    if minhash and config.dedup and config.dedup.minhash:
        bound = config.dedup.minhash.min_similarity
        if bound < minhash["min_similarity"]:
            raise ConfigError(
                f"--set dedup.minhash.min_similarity={bound}: the run kept no pair below {minhash['min_similarity']}; "
                "change it in the config and run that: only the pairs are compared again"
            )
