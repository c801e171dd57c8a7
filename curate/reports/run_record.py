"""run.json in the work folder: what the last run decided by, and which commits hold what it decided.

The ledger has the values and the decisions; this has the bounds, the keys and the names that belong to them. It is
rewritten by every run, is read by `explain` and by the report, and never enters a published version.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import filters
from curate.config import RunConfig
from curate.config.measures import Bounds
from curate.corpus import Part
from curate.errors import CurateError
from curate.lineage import key
from curate.schema import SCHEMA_VERSION
from curate.step import Commit, find
from curate.storage import Store

NAME = "run.json"


@dataclass(frozen=True)
class Measure:
    """One measured column and the bounds that were applied to it; all None where it was only recorded."""

    name: str
    """The filter, as reasons name it."""

    column: str
    """`rule@semantics.version`, as the ledger names it."""

    unit: str
    min: float | None = None
    max: float | None = None
    keep_fraction: float | None = None
    by_language: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Language -> the (min, max) that applied to it instead."""

    @property
    def title(self) -> str:
        """The filter, and what its text had been through: `length.words after c4.clean`."""
        transforms = [label.partition("@")[0] for label in self.column.split("+")[1:]]
        return f"{self.name} after {', '.join(transforms)}" if transforms else self.name

    def of(self, language: str | None) -> "Measure":
        """The measure with the bounds of one language, and of no other."""
        if language is None or language not in self.by_language:
            return replace(self, by_language={})
        low, high = self.by_language[language]
        return replace(self, min=low, max=high, keep_fraction=None, by_language={})


@dataclass(frozen=True)
class PublishedPart:
    """One file of the published version, and the committed shard that it is a link to."""

    name: str
    shard: str
    rows: int


@dataclass(frozen=True)
class RunRecord:
    """What a reader of the work folder needs beside the ledger."""

    schema_version: int
    name: str
    config: Mapping[str, Any]
    """RunConfig.identity(): what of the config can change the output."""

    config_key: str
    """Hash of `config`."""

    settings: Mapping[str, Any]
    """The whole RunConfig, placement too."""

    measures: tuple[Measure, ...]
    parts: tuple[Mapping[str, str | None], ...]
    """object, and the keys of its `extract` (or `synthesize`), `rewrite` and `measure` commits."""

    commits: Mapping[str, tuple[str, ...]]
    """Stage -> keys of its commits, for the stages that see all documents."""

    output: str
    version: str | None
    published: tuple[PublishedPart, ...]
    dedup: Mapping[str, int] = field(default_factory=dict)
    """What the steps of deduplication counted: see reports/duplicates.py."""

    bill: Mapping[str, float] = field(default_factory=dict)
    """What judging cost: see reports/bill.py."""


def measures_of(config: RunConfig) -> tuple[Measure, ...]:
    """The measures of a config with their bounds, in its order."""
    found = []
    for measured in config.measured:
        chosen, keep = filters.get(measured.filter.filter), measured.filter.keep
        bounds = (keep.min, keep.max, keep.keep_fraction) if keep else (None, None, None)
        own = {language: (b.min, b.max) if b else (None, None) for language, b in measured.by_language.items()}
        found.append(Measure(chosen.name, measured.column, chosen.unit, *bounds, own))
    return tuple(found)


def by_language(measures: Sequence[Measure]) -> tuple[list[Measure], list[tuple[str, list[str]]]]:
    """The measures with bounds of a language, and a row a language: its name, and what applies to it of each."""
    several = [measure for measure in measures if measure.by_language]
    languages = sorted({language for measure in several for language in measure.by_language})
    return several, [(language, [describe(m.of(language)) for m in several]) for language in languages]


def describe(bounds: Bounds | Measure | None) -> str:
    """The bounds as people write them: `0.8 <= value`, `value <= 10`, `top 20 %`; `recorded only` without any."""
    if bounds is None or (bounds.min is None and bounds.max is None and bounds.keep_fraction is None):
        return "recorded only"
    if bounds.keep_fraction is not None:
        return f"top {bounds.keep_fraction * 100:g} %"
    low = "" if bounds.min is None else f"{number(bounds.min)} <= "
    high = "" if bounds.max is None else f" <= {number(bounds.max)}"
    return f"{low}value{high}"


def number(value: float) -> str:
    """A bound as people write it: 1000000.0 -> 1,000,000; 0.12 -> 0.12."""
    return f"{int(value):,}" if value.is_integer() else f"{value:g}"


def write(
    work: Store,
    config: RunConfig,
    parts: Sequence[Part],
    commits: Mapping[str, Iterable[Commit]],
    version: str | None,
    dedup: Mapping[str, int] = MappingProxyType({}),
    bill: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Replace run.json. `commits`: of the stages that see all documents; `publish` in the order of its parts."""
    listed = {stage: tuple(commits[stage]) for stage in commits}
    published = [shard for commit in listed.get("publish", ()) for shard in commit.of("data")]
    identity = config.identity()
    record = RunRecord(
        schema_version=SCHEMA_VERSION,
        name=config.name,
        config=identity,
        config_key=key("config", identity),
        settings=config.model_dump(mode="json"),
        measures=measures_of(config),
        parts=tuple(_part(p) for p in sorted(parts, key=lambda p: (p.object, p.key))),
        commits={stage: tuple(commit.key for commit in found) for stage, found in listed.items()},
        output=str(config.output),
        version=version,
        published=tuple(
            PublishedPart(f"data/part-00000-{number:05d}.parquet", shard.name, shard.rows)
            for number, shard in enumerate(published)
        ),
        dedup=dict(dedup),
        bill=dict(bill),
    )
    work.put(NAME, json.dumps(asdict(record), indent=1).encode())


def _part(part: Part) -> Mapping[str, str | None]:
    return {
        "object": part.object, "stage": part.documents.stage, "documents": part.documents.key,
        "rewritten": part.rewritten.key if part.rewritten else None,
        "measures": part.measures.key if part.measures else None,
    }  # fmt: skip


def read(work: Path) -> RunRecord:
    """The record of the last run. Raises CurateError where there is none."""
    path = work / NAME
    if not path.exists():
        raise CurateError(f"{path}: not there; expected the work folder of a finished run (`work:` in its config)")
    values = json.loads(path.read_bytes())
    values["measures"] = tuple(_measure(m) for m in values["measures"])
    values["parts"] = tuple(values["parts"])
    values["commits"] = {stage: tuple(keys) for stage, keys in values["commits"].items()}
    values["published"] = tuple(PublishedPart(**p) for p in values["published"])
    return RunRecord(**values)


def edges(work: Store, record: RunRecord) -> list[Commit]:
    """The commits with the verified pairs of near-duplicates. Raises CurateError where one is gone."""
    commits = []
    for name in dict.fromkeys(record.commits.get("dedup", ())):
        if (commit := find(work, "verify", name)) is None:
            raise CurateError(f"{work.root}: the step verify/{name} of the last run is not there; run the config again")
        commits.append(commit)
    return commits


def _measure(values: dict[str, Any]) -> Measure:
    own = {language: tuple(limits) for language, limits in values.pop("by_language", {}).items()}
    return Measure(**values, by_language=own)
