"""census: what only all documents together can say: which of them share an id, and what a `keep_fraction` means.

Holds a range of ids, one byte of every document, and for a bound by share 8 bytes of each.
"""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from curate import decisions
from curate.config import RunConfig
from curate.config.measures import Measured
from curate.corpus import Part, first_numbers, read_frame
from curate.equal import sharing
from curate.lineage import key
from curate.runs import write_run
from curate.shards import ShardWriter
from curate.step import Commit, Task
from curate.storage import Store

VERSION = 1

FRACTIONS = "fractions"
"""Name of the commit's note that holds column -> bound, as JSON."""

TWINS = {"number": pl.Int64, "twin": pl.Int64, "twin_part": pl.String, "twin_offset": pl.Int64}
"""A row that leaves, by number, and the one with its id that stays: number, part and offset in the input object."""


def task(parts: Sequence[Part], config: RunConfig) -> Task:
    """One task over the distinct parts, in order."""
    asked = {m.column: m.filter.keep.keep_fraction for m in _by_share(config) if m.filter.keep}
    what = [
        [part.key, part.texts.identity, part.measures.identity if asked and part.measures else None] for part in parts
    ]
    args = (tuple(parts), tuple(_by_share(config)))
    return Task("census", key("census", VERSION, what, asked), "all documents", take_census, args)


def _by_share(config: RunConfig) -> list[Measured]:
    return [m for m in config.measured if m.filter.keep and m.filter.keep.keep_fraction is not None]


def take_census(writer: ShardWriter, store: Store, parts: Sequence[Part], by_share: Sequence[Measured]) -> None:
    """Write runs of kind `folded` by document number: TWINS; note the bounds that the config's shares mean."""
    first = first_numbers(parts)
    leaves = np.zeros(first[-1], np.bool_)
    for _, numbers in sharing(store, [part.texts for part in parts], "documents", "id"):
        documents = _documents(store, parts, first, np.sort(numbers))
        twins = decisions.twins(documents)
        if twins.is_empty():
            continue
        leaves[twins["number"].to_numpy()] = True
        where = documents.select(twin="number", twin_part="part", twin_offset="offset")
        located = twins.join(where, on="twin").select(*TWINS)
        write_run(writer, "folded", located["number"].cast(pl.UInt64).to_numpy(), located.to_arrow())
    bounds = {measured.column: _bound(store, parts, measured, leaves) for measured in by_share}
    writer.note(FRACTIONS, json.dumps(bounds))


def _documents(
    store: Store, parts: Sequence[Part], first: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]
) -> pl.DataFrame:
    """What decides between the documents with these ascending numbers where they share an id, and where they are."""
    columns = ["id", "date", "license", "lang", "text_hash", "offset"]
    frames = []
    for part, start in zip(parts, first.tolist(), strict=False):
        low, high = np.searchsorted(numbers, [start, start + part.size])
        if low < high:
            whole = pl.concat([read_frame(store, shard.name, columns) for shard in part.texts.of("documents")])
            chosen = numbers[low:high]
            frames.append(whole[chosen - start].with_columns(number=pl.Series(chosen), part=pl.lit(part.key)))
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.Binary) | {"number": pl.Int64, "part": pl.String})
    return pl.concat(frames) if frames else empty


def _bound(store: Store, parts: Sequence[Part], measured: Measured, leaves: npt.NDArray[np.bool_]) -> float | None:
    """The bound of a `keep_fraction` over the real documents that stay for their id."""
    assert measured.filter.keep
    assert measured.filter.keep.keep_fraction is not None
    synthetic, values = [pl.Series(dtype=pl.Boolean)], [pl.Series(dtype=pl.Float64)]
    for part in parts:
        synthetic += [read_frame(store, s.name, ["is_synthetic"])["is_synthetic"] for s in part.texts.of("documents")]
        shards = part.measures.of("measures") if part.measures else []
        values += [read_frame(store, s.name, [measured.column])[measured.column] for s in shards]
    stays = ~(pl.concat(synthetic, rechunk=True) | pl.Series(leaves))
    return decisions.fraction_bound(pl.concat(values).filter(stays), measured.filter.keep.keep_fraction)


def shares(census: Commit) -> dict[str, float | None]:
    """Column -> the bound that its `keep_fraction` means."""
    return dict(json.loads(census.notes[FRACTIONS]))
