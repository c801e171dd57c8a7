"""What of a batch was published before: candidates by shared keys, range by range, and the texts of both compared."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate import minhash
from curate.ascending import begins, look_up
from curate.config import MinhashConfig
from curate.corpus import halves
from curate.errors import CurateError
from curate.index.manifest import Index
from curate.index.segments import Gone, Int64s, UInt64s, documents_at, find, ids
from curate.runs import KEY, Range, read_range
from curate.shards import take_rows
from curate.shingles import shingles_of
from curate.storage import Store
from curate.text.buffers import text_buffers

CANDIDATES = {"number": pl.Int64, "segment": pl.Int64, "document": pl.Int64, "deleted": pl.Boolean}
"""A document of the batch by its number, and one of the index: place of its segment, row, and whether it is deleted."""

MATCHES = {
    "number": pl.Int64, "id": pl.Binary, "published_id": pl.Binary, "similarity": pl.Float64,
    "containment": pl.Float64, "exact": pl.Boolean, "deleted": pl.Boolean,
}  # fmt: skip
"""A document of the batch and what it is like; without a similarity where the old text is gone."""

SLICE_CHARS = 24_000_000
"""Characters of the old texts that are compared at once; the new ones are about as long."""

SLICE_PAIRS = 4096

Documents = Callable[[Int64s, list[str]], pa.Table]
"""Columns of documents of the batch, by ascending number."""


class Candidates(NamedTuple):
    """What `candidates` found."""

    pairs: pl.DataFrame
    not_compared: int
    """Pairs with documents of a bucket beyond its first."""


def candidates(index: Index, gone: Gone, each: Range, keys: UInt64s, number: Int64s, most: int) -> Candidates:
    """Pairs that share a key of this range: CANDIDATES, distinct and sorted. `keys` are uint64[n] of KEY_BITS and
    `number` int64[n] the document of each.

    Of documents of the index with one key the `most` with the smallest ids are taken, and of deleted ones as many.
    """
    order = np.argsort(keys, kind="stable")
    number = number[order]
    distinct, start, size = np.unique(keys[order], return_index=True, return_counts=True)
    hits = [np.empty((3, 0), np.int64)]
    left_out = np.zeros(2 * len(distinct), np.int64)
    for place in range(len(index.segments)):
        bucket, document = _in_segment(index, gone, place, each, distinct)
        # Rows of a key ascend in a segment, and so do their ids.
        first = _rank(bucket) < most
        left_out += np.bincount(bucket[~first], minlength=len(left_out))
        hits.append(np.stack([bucket[first], np.full(int(first.sum()), place), document[first]]))
    bucket, segment, document = np.concatenate(hits, axis=1)
    first = _smallest_ids(index, bucket, segment, document, most)
    left_out += np.bincount(bucket[~first], minlength=len(left_out))
    bucket, segment, document = (column[first] for column in (bucket, segment, document))
    several = size[bucket // 2]
    before = np.cumsum(several) - several
    members = np.repeat(start[bucket // 2] - before, several) + np.arange(int(several.sum()))
    columns = [number[members], *(np.repeat(c, several) for c in (segment, document, bucket % 2 == 1))]
    pairs = pl.DataFrame(dict(zip(CANDIDATES, columns, strict=True)), schema=CANDIDATES)
    return Candidates(pairs.unique().sort(*CANDIDATES), int((size * left_out[::2]).sum()))


def _in_segment(index: Index, gone: Gone, place: int, each: Range, distinct: UInt64s) -> tuple[Int64s, Int64s]:
    """Documents of one segment with a key of the batch: (bucket, row), sorted. The bucket is twice the key's place, one
    more for deleted documents.
    """
    segment = index.segments[place]
    buckets, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for table in read_range(index.store, [segment.keys.run], each) if len(distinct) else ():
        key = table.column(KEY).to_numpy()
        at, chosen = look_up(distinct, key)
        buckets.append(at[chosen])
        rows.append(table.column("document").to_numpy()[chosen].astype(np.int64))
    row = np.concatenate(rows)
    deleted, replaced = gone.among(segment, row)
    bucket, row = (2 * np.concatenate(buckets) + deleted)[~replaced], row[~replaced]
    order = np.lexsort((row, bucket))
    return bucket[order], row[order]


def _rank(ascending: Int64s) -> Int64s:
    """How many equal values stand before each."""
    new = begins(ascending)
    rank: Int64s = np.arange(len(ascending)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    return rank


def _smallest_ids(index: Index, bucket: Int64s, segment: Int64s, document: Int64s, most: int) -> npt.NDArray[np.bool_]:
    """Which are among the `most` of their bucket with the smallest ids: the same however segments were merged."""
    chosen = np.ones(len(bucket), np.bool_)
    large = np.flatnonzero(np.bincount(bucket)[bucket] > most) if len(bucket) else bucket
    if len(large):
        found = documents_at(index, segment[large], document[large])
        order = np.lexsort((found["low"].to_numpy(), found[KEY].to_numpy(), bucket[large]))
        chosen[large[order]] = _rank(bucket[large][order]) < most
    return chosen


def compare(index: Index, gone: Gone, pairs: pl.DataFrame, documents: Documents, config: MinhashConfig) -> pl.DataFrame:
    """MATCHES of candidates: equal texts, those that meet a bound, and those whose old text is gone.

    A document that the index has itself was published before, and stays: it matches nothing.
    """
    if pairs.is_empty():
        return pl.DataFrame(schema=MATCHES)
    numbers = np.unique(pairs["number"].to_numpy())
    facts = documents(numbers, ["id", "text_hash"])
    own = halves(facts.column("id"))
    text = halves(facts.column("text_hash"))
    new = np.ones(len(numbers), np.bool_)
    new[_published(index, gone, own)] = False
    pairs = pairs.filter(new[np.searchsorted(numbers, pairs["number"].to_numpy())])
    old = documents_at(index, pairs["segment"].to_numpy(), pairs["document"].to_numpy())
    place = np.searchsorted(numbers, pairs["number"].to_numpy())
    exact = _equal(old, ("text_high", "text_low"), text[place])
    found = pairs.with_columns(
        id=pl.Series(ids(*own[place].T), dtype=pl.Binary),
        published_id=pl.Series(ids(old[KEY].to_numpy(), old["low"].to_numpy()), dtype=pl.Binary),
        exact=pl.Series(exact),
    )
    same = _equal(old, (KEY, "low"), own[place])
    # Of a document with a copy that counts the others say nothing.
    copied = found.filter(pl.Series(exact) & ~pl.col("deleted"))["number"].unique().implode()
    wanted = ~same & (exact | ~found["number"].is_in(copied).to_numpy())
    found, old = found.filter(wanted), old.filter(wanted)
    values = np.ones((len(found), 2))
    unread = np.flatnonzero(~found["exact"].to_numpy())
    for some in _slices(unread, old["text_chars"].to_numpy()):
        values[some] = _overlaps(index, found["number"].to_numpy()[some], old[some], documents, config)
    found = found.with_columns(similarity=pl.Series(values[:, 0]), containment=pl.Series(values[:, 1]))
    found = found.with_columns(pl.col("similarity", "containment").fill_nan(None))
    return found.filter(pl.col("similarity").is_null() | meets(config)).select(*MATCHES).sort("number", "published_id")


def meets(config: MinhashConfig) -> pl.Expr:
    """Whether a match is one by the bounds of the config."""
    near = pl.col("exact") | (pl.col("similarity") >= config.min_similarity)
    if config.min_containment is not None:
        near = near | (pl.col("containment") >= config.min_containment)
    return near


def best(matches: pl.DataFrame) -> pl.DataFrame:
    """Of each document the match that it leaves for: the most similar that counts and was verified."""
    verified = matches.filter(pl.col("similarity").is_not_null() & ~pl.col("deleted"))
    ordered = verified.sort("number", ~pl.col("exact"), -pl.col("similarity"), "published_id")
    return ordered.unique("number", keep="first", maintain_order=True)


def returned(matches: pl.DataFrame) -> int:
    """Documents that are like a deleted one and like none that counts: they would have left."""
    near = matches.filter(pl.col("similarity").is_not_null())
    like = near.group_by("number").agg(pl.col("deleted").all())
    return int(like["deleted"].sum())


def _published(index: Index, gone: Gone, own: UInt64s) -> Int64s:
    """Places of the ids, uint64[n, 2], that the index has."""
    order = np.lexsort((own[:, 1], own[:, 0]))
    once = begins(own[order, 0], own[order, 1])
    number = np.cumsum(once) - 1
    distinct = own[order[once]]
    known = np.zeros(len(distinct), np.bool_)
    for segment in index.segments:
        place, row = find(index, segment, distinct[:, 0], distinct[:, 1])
        deleted, replaced = gone.among(segment, row)
        known[place[~deleted & ~replaced]] = True
    places: Int64s = order[known[number]]
    return places


def _equal(old: pl.DataFrame, names: tuple[str, str], values: UInt64s) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (old.select(names).to_numpy() == values).all(axis=1)
    return same


def _slices(places: Int64s, chars: npt.NDArray[np.uint32]) -> Iterator[Int64s]:
    """Some of the places at a time, of at most SLICE_PAIRS and about SLICE_CHARS."""
    size = np.cumsum(chars[places].astype(np.int64)) // SLICE_CHARS
    number = np.maximum.accumulate(size + np.arange(len(places)) // SLICE_PAIRS)
    for each in np.unique(number):
        yield places[number == each]


def _overlaps(
    index: Index, numbers: Int64s, old: pl.DataFrame, documents: Documents, config: MinhashConfig
) -> npt.NDArray[np.float64]:
    """Jaccard and containment of each pair, float64[n, 2]; nan where the old text is gone."""
    new, new_place = np.unique(numbers, return_inverse=True)
    texts = documents(new, ["text"]).column("text")
    sets = [minhash.shingle_sets(*text_buffers(texts), shingles_of(config))]
    once = old.unique(["shard", "row"], maintain_order=True).with_row_index("place")
    places = old.join(once.select("shard", "row", "place"), on=["shard", "row"], how="left", maintain_order="left")
    known = np.zeros(len(once), np.bool_)
    old_place = np.zeros(len(once), np.int64)
    count = len(new)
    for (shard,), rows in once.group_by("shard", maintain_order=True):
        table = _published_texts(index, int(str(shard)), rows)
        if table is None:
            continue
        at = rows["place"].to_numpy()
        known[at], old_place[at] = True, count + np.arange(len(rows))
        sets.append(minhash.shingle_sets(*text_buffers(table.column("text")), shingles_of(config)))
        count += len(rows)
    hashes = np.concatenate([some for some, _ in sets])
    first = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(starts) for _, starts in sets]))])
    place = places["place"].to_numpy()
    found = minhash.overlaps(hashes, first, np.stack([new_place, old_place[place]], axis=1))
    values = np.stack([found.jaccard, found.containment], axis=1)
    values[~known[place]] = np.nan
    return values


def _published_texts(index: Index, shard: int, rows: pl.DataFrame) -> pa.Table | None:
    """The texts of documents of one published shard; None where it is gone. Raises CurateError where it is another."""
    place = index.shards[shard]
    store, name = Store(Path(place.output), index.store.disk), f"shards/{place.sha256}.parquet"
    try:
        table = take_rows(store, name, rows["row"].to_numpy().astype(np.int64), ["id", "text"])
    except FileNotFoundError:
        return None
    wanted = [each.hex() for each in ids(rows[KEY].to_numpy(), rows["low"].to_numpy())]
    if table.column("id").to_pylist() != wanted:
        raise CurateError(
            f"{store.root}: {name} holds other documents than the index {index.store.root} says; build the index anew"
        )
    return table
