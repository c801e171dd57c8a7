"""run_step(): the one owner of "already done". Same key -> skip; else run, write shards, commit last.

A step leaves `stages/<stage>/<key>/<kind>-00000.parquet ...` and then `commit.json`. Without the commit nothing counts:
a step that was killed starts again and replaces what it left, with the same bytes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from curate.errors import ConservationError
from curate.schema import SCHEMA_VERSION
from curate.shards import Shard, ShardWriter
from curate.storage import Store

CONSERVED = frozenset({"documents", "rejected", "quarantined", "measures", "scores"})
"""Kinds whose rows must add up to the counter `in` (promise P1). Other kinds (band keys, edges) are derived."""

PASSING = "passing"
"""Name of a commit's note that holds a digest of results which another attempt may better."""

ISOLATED = "isolated"
"""Name of a commit's note that holds the numbers of the records that killed their worker and were quarantined."""


@dataclass(frozen=True)
class Rows:
    """Which of its records a task looks at, by their number among those that count as `in`."""

    first: int = 0
    last: int | None = None
    """One past the last; None: to the end. Records outside [first, last) are neither processed nor counted."""

    without: frozenset[int] = frozenset()
    """Records that kill the worker: counted, quarantined and not processed."""

    barrier: int | None = None
    """The record that the reader cannot pass: from it on, the rest is one damaged stretch, counted and quarantined."""

    def __contains__(self, number: int) -> bool:
        """Whether the record is processed."""
        return self.first <= number and (self.last is None or number < self.last) and number not in self.without


ALL = Rows()
"""Every record."""


@dataclass(frozen=True)
class Commit:
    """What a finished step left behind."""

    stage: str
    key: str
    counts: Mapping[str, int]
    shards: tuple[Shard, ...]
    notes: Mapping[str, str]
    """What a step found out and later ones need, such as the sha256 of a published part."""

    @property
    def is_passing(self) -> bool:
        """Whether questions in it failed in a way that may pass: a later run does the step again."""
        return PASSING in self.notes

    @property
    def identity(self) -> str:
        """What later steps depend on: the key, and what else than the key decided on the result."""
        return "-".join([self.key, *(self.notes[name] for name in (PASSING, ISOLATED) if name in self.notes)])

    def of(self, kind: str) -> list[Shard]:
        """The shards of one kind, in order."""
        return [shard for shard in self.shards if shard.kind == kind]

    def rows(self, kind: str) -> int:
        """Rows of one kind, over all its shards."""
        return sum(shard.rows for shard in self.of(kind))


@dataclass(frozen=True)
class Task:
    """One step: `run(writer, store, *args)` in a worker. `run` is a module-level function, `args` are small."""

    stage: str
    key: str
    name: str
    """For people: the object and range, or the partition."""

    run: Callable[..., None]
    args: tuple[Any, ...] = ()
    divisible: bool = False
    """Whether `run` takes a keyword `rows: Rows`, so that a record that kills its worker can be found and left out."""


@dataclass(frozen=True)
class Outcome:
    """How one task ended: a commit, or the error that failed it."""

    task: Task
    commit: Commit | None
    error: str | None = None
    executed: bool = False


def find(store: Store, stage: str, key: str) -> Commit | None:
    """The commit of a step, or None where it is not done. A shard that is gone or cut undoes its step."""
    try:
        record = json.loads(store.read(f"stages/{stage}/{key}/commit.json"))
        shards = tuple(Shard(**shard) for shard in record["shards"])
        commit = Commit(record["stage"], record["key"], record["counts"], shards, record["notes"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # Not there, or damaged: done anew.
        return None
    return commit if all(store.size(shard.name) == shard.bytes for shard in shards) else None


def run_step(store: Store, stage: str, key: str, work: Callable[[ShardWriter], None]) -> Commit:
    """Run `work` with a writer and commit what it wrote. Raises ConservationError when the counts do not add up."""
    writer = ShardWriter(store, f"stages/{stage}/{key}")
    try:
        work(writer)
        shards = writer.close()
    except BaseException:
        writer.abandon()
        raise
    commit = Commit(stage, key, dict(sorted(writer.counts.items())), tuple(shards), dict(writer.notes))
    _check_conservation(commit)
    record = {"schema_version": SCHEMA_VERSION, **asdict(commit)}
    store.put(f"stages/{stage}/{key}/commit.json", json.dumps(record, indent=1).encode())
    return commit


def _check_conservation(commit: Commit) -> None:
    """Compare the reader's count with the rows that the files' own footers report."""
    if "in" not in commit.counts:
        return
    rows = {kind: commit.rows(kind) for kind in sorted(CONSERVED)}
    if commit.counts["in"] != sum(rows.values()):
        raise ConservationError(
            f"{commit.stage}/{commit.key}: read {commit.counts['in']} documents, committed {rows}; "
            "expected equal sums. This is a defect of Curate: please report it with the config"
        )
