"""A finished run beside an index: its version added, or its documents compared as `dedup.index` would have them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from curate.config import MinhashConfig, RunConfig
from curate.config.settings import with_settings
from curate.corpus import Part, distinct, read_frame
from curate.errors import ConfigError, CurateError
from curate.index import manifest
from curate.index.add import Added, add
from curate.index.segments import Gone
from curate.reports import run_record
from curate.reports.run_record import RunRecord
from curate.stages import dedup, published
from curate.step import Commit, find
from curate.storage import Disk, Store


@dataclass(frozen=True)
class _Finished:
    """A run as its work folder says."""

    store: Store
    record: RunRecord
    config: RunConfig

    @property
    def minhash(self) -> MinhashConfig:
        if not self.config.dedup or not self.config.dedup.minhash:
            raise ConfigError(f"{self.store.root}: run without `dedup.minhash`; an index needs its band keys")
        return self.config.dedup.minhash

    def commit(self, stage: str, key: str) -> Commit:
        if (found := find(self.store, stage, key)) is None:
            raise CurateError(f"{self.store.root}: the step {stage}/{key} is not there; run the config again")
        return found

    def parts(self) -> list[Part]:
        """The distinct parts, in order."""
        parts = []
        for each in self.record.parts:
            named = {"documents": str(each["stage"]), "measures": "measure", "rewritten": "rewrite"}
            commits = {n: self.commit(stage, key) for n, stage in named.items() if (key := each[n])}
            parts.append(Part(str(each["object"]), **commits))
        return distinct(parts)


def _finished(work: Path) -> _Finished:
    record = run_record.read(work)
    return _Finished(Store(work), record, with_settings(record.settings, []))


def add_run(work: Path, path: Path, disk: Disk | None = None) -> Added:
    """Add the version that a run published to an index, which is made where there is none. Raises as `add`, and
    ConfigError for a run without MinHash.
    """
    run = _finished(work)
    output = Store(Path(run.record.output), disk or Disk())
    place = f"versions/{run.record.version}/_manifest.json"
    try:
        shards = [str(shard["sha256"]) for shard in json.loads(output.read(place))["shards"]]
    except FileNotFoundError:
        raise CurateError(f"{output.root}: {place} is not there; run the config again, which publishes it") from None
    return add(path, output, str(run.record.version), shards, run.minhash, disk)


def match_run(work: Path, path: Path) -> Iterator[pl.DataFrame]:
    """index.match.MATCHES of the documents of a run, whatever became of them (`status`), some at a time. Removes
    nothing. The candidates are in memory, 20 bytes each. Raises ConfigError for an index of another MinHash.
    """
    run = _finished(work)
    index = manifest.read(path)
    index.check(run.minhash)
    gone, parts = Gone.of(index), run.parts()
    tasks = dedup.sign_tasks(parts, run.minhash, run.config.execution)
    signed = dedup.signed_parts(parts, [run.commit("sign", task.key) for task in tasks])
    found = [
        published.candidates(run.store, signed, index, gone, each, run.minhash).pairs
        for each in published.ranges(signed, index, run.config.execution)
    ]
    pairs = pl.concat(found).unique().sort("number")
    status = [
        read_frame(run.store, shard.name, ["number", "status"])
        for key in run.record.commits["select"]
        for shard in run.commit("select", key).of("decisions")
    ]
    # By the place of a document's first candidate, so that all of them stay together.
    share = np.searchsorted(pairs["number"].to_numpy(), pairs["number"].to_numpy()) // dedup.PAIRS_PER_TASK
    for _, some in pairs.group_by(pl.Series(share), maintain_order=True):
        matches = published.compare(run.store, signed, index, gone, some, run.minhash)
        yield matches.join(pl.concat(status), on="number", how="left", maintain_order="left")
