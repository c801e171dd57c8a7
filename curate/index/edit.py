"""Documents leave an index: tombstones first, and when it is compacted the rows themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate.index.add import with_tombstones
from curate.index.manifest import Index, Segment, changing
from curate.index.segments import (
    DOCUMENTS,
    KEY_RUN,
    KEYS,
    Bools,
    Gone,
    Int64s,
    UInt64s,
    Writer,
    find,
    names,
    number_of,
    scan,
)
from curate.runs import KEY, Range, equal_ranges, read_range
from curate.storage import Disk

UInt32s = npt.NDArray[np.uint32]

LARGE = 1 << 24
"""Documents of the largest segment that compaction makes: 64 MB of new row numbers."""

RANGE_DOCUMENTS = 1 << 18
"""Documents that are merged at once: 100 bytes each, three times."""

RANGE_KEYS = 1 << 20
"""Keys that are merged at once."""


@dataclass(frozen=True)
class What:
    """Which documents to delete: those that any of it names."""

    ids: Sequence[bytes] = ()
    domains: Sequence[str] = ()
    """A domain names its subdomains too."""

    sources: Sequence[str] = ()


def delete(path: Path, what: What, disk: Disk | None = None) -> int:
    """How many documents count no longer; their rows stay until `compact`, so that a later comparison can say of a
    document that what it is like was deleted.
    """
    with changing(path, disk) as index:
        gone, found = Gone.of(index), list[tuple[int, Int64s]]()
        for segment in index.segments:
            rows = np.unique(np.concatenate([_of_ids(index, segment, what.ids), _of_names(index, segment, what)]))
            deleted, replaced = gone.among(segment, rows)
            found.append((number_of(segment), rows[~deleted & ~replaced]))
        count = sum(len(rows) for _, rows in found)
        if count:
            with_tombstones(index, found, "deleted").save()
        return count


def _of_ids(index: Index, segment: Segment, ids: Sequence[bytes]) -> Int64s:
    halves = np.frombuffer(b"".join(sorted(set(ids))), ">u8").astype(np.uint64).reshape(-1, 2)
    return find(index, segment, halves[:, 0], halves[:, 1])[1]


def _of_names(index: Index, segment: Segment, what: What) -> Int64s:
    found = [np.empty(0, np.int64)]
    if what.domains or what.sources:
        host = pl.concat_str(pl.lit("."), "host")
        named = pl.col("source").is_in(list(what.sources))
        for domain in what.domains:
            named = named | host.str.ends_with("." + domain.lower().strip("."))
        for first, table in scan(index.store, segment.documents, ["host", "source"]):
            chosen = pl.DataFrame(table).select(named.fill_null(value=False)).to_series()
            found.append(first + chosen.arg_true().to_numpy())
    return np.concatenate(found)


def compact(path: Path, disk: Disk | None = None) -> bool:
    """Merge small segments and drop what was deleted; False where there is nothing to do. Matches stay the same, but
    for what was deleted: of that nothing is left.
    """
    with changing(path, disk) as index:
        gone = Gone.of(index)
        kept, groups = _groups(index, gone)
        if not groups and not index.tombstones:
            return False
        number, merged = index.next, []
        for group in groups:
            if any(segment.documents.rows > gone.count(segment) for segment in group):
                merged.append(_merged(index, gone, group, number))
                number += 1
        done = replace(index, next=number, segments=(*kept, *merged), tombstones=())
        done.save()
        named = {file.name for file in done.files()}
        for file in index.files():
            if file.name not in named:
                index.store.delete(file.name)
        return True


def _groups(index: Index, gone: Gone) -> tuple[list[Segment], list[list[Segment]]]:
    """Segments that stay as they are, and those that become one."""
    whole = [s for s in index.segments if not gone.count(s)]
    kept = [s for s in whole if s.documents.rows > LARGE // 2]
    groups: list[list[Segment]] = []
    size = LARGE
    for segment in (s for s in index.segments if s not in kept):
        if size + segment.documents.rows > LARGE:
            groups.append([])
            size = 0
        groups[-1].append(segment)
        size += segment.documents.rows
    alone = [group[0] for group in groups if len(group) == 1 and group[0] in whole]
    return [*kept, *alone], [group for group in groups if group[0] not in alone]


def _merged(index: Index, gone: Gone, group: Sequence[Segment], number: int) -> Segment:
    """One segment of several, without what is gone: range by range of ids, then of keys."""
    of_documents, of_keys = names(number)
    stays = [_stays(gone, segment) for segment in group]
    rows = [np.zeros(len(some), np.uint32) for some in stays]
    documents, keys = Writer(index.store, of_documents, DOCUMENTS), Writer(index.store, of_keys, KEY_RUN)
    total = 0
    with documents:
        for table, places, origin in _by_id(index, group, stays):
            documents.write({name: table.column(name) for name in DOCUMENTS.names})
            for n in range(len(group)):
                rows[n][places[origin == n]] = total + np.flatnonzero(origin == n)
            total += table.num_rows
    with keys:
        for each in _ranges([segment.keys.rows for segment in group], RANGE_KEYS, KEYS):
            key, document = _keys(index, group, stays, rows, each)
            if len(key):
                order = np.lexsort((document, key))
                keys.write({KEY: key[order], "document": document[order]})
    return Segment(documents.file(), keys.file())


def _stays(gone: Gone, segment: Segment) -> Bools:
    deleted, replaced = gone.among(segment, np.arange(segment.documents.rows))
    return ~deleted & ~replaced


def _ranges(rows: Sequence[int], at_once: int, keys: int = 1 << 64) -> list[Range]:
    return equal_ranges(max(1, -(-sum(rows) // at_once)), keys)


def _by_id(index: Index, group: Sequence[Segment], stays: Sequence[Bools]) -> Iterator[tuple[pa.Table, Int64s, Int64s]]:
    """Documents in order of their ids, a range at a time: the table, the old row of each, and its segment's place."""
    passed = [0] * len(group)
    for each in _ranges([segment.documents.rows for segment in group], RANGE_DOCUMENTS):
        tables, places, origin = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for n, segment in enumerate(group):
            for table in read_range(index.store, [segment.documents.run], each, DOCUMENTS.names):
                row = passed[n] + np.arange(table.num_rows)
                passed[n] += table.num_rows
                chosen = np.flatnonzero(stays[n][row])
                tables.append(table.take(pa.array(chosen)))
                places.append(row[chosen])
                origin.append(np.full(len(chosen), n))
        if tables:
            table = pa.concat_tables(tables)
            order = np.lexsort((table.column("low").to_numpy(), table.column(KEY).to_numpy()))
            yield table.take(pa.array(order)), np.concatenate(places)[order], np.concatenate(origin)[order]


def _keys(
    index: Index, group: Sequence[Segment], stays: Sequence[Bools], rows: Sequence[UInt32s], each: Range
) -> tuple[UInt64s, Int64s]:
    """The keys of a range, and the new row of the document of each."""
    keys, documents = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for n, segment in enumerate(group):
        for table in read_range(index.store, [segment.keys.run], each):
            row = table.column("document").to_numpy()
            chosen = stays[n][row]
            keys.append(table.column(KEY).to_numpy()[chosen])
            documents.append(rows[n][row[chosen]].astype(np.int64))
    return np.concatenate(keys), np.concatenate(documents)
