"""lines: documents -> the documents without lines (or paragraphs) that many of them have. Runs between extract and
rewrite, where the config asks for it.

    lines        per split: which texts have a line, as sorted runs
    boilerplate  per range of lines: those that `min_documents` different texts of their scope have
    trim         per split: its documents without those lines, with the label dedup.lines@1 where a text changed

One text keeps each line, that with the smallest hash, as CCNet, Dolma and DCLM keep the first they meet: so what an
article shares with its reprints is not lost to all of them, and whichever order the files come in, the same one has it.
Texts are counted, not documents: copies of a text stay copies, for what comes after to count. Of near-copies in that
number all but one are left with what is their own, for bounds on the rest to judge; of nothing, transform.no_text.

A run of hashes takes 16 bytes a line on disk. In memory are a range of them, and in `trim` 16 bytes for each line that
leaves. What leaves depends on all documents, so another input trims every split again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate.ascending import begins, look_up
from curate.config import ExecutionConfig, LinesConfig
from curate.corpus import Part, distinct, halves
from curate.errors import CurateError
from curate.lineage import key, text_hash
from curate.runs import KEY, LAST, Range, UInt64s, ranges_for, read_range, write_run
from curate.shards import ShardWriter
from curate.stages import rewrite
from curate.stages.isolate import BATCH_DOCUMENTS, copy_rest, looked_at
from curate.step import ALL, Commit, Rows, Task
from curate.storage import Store
from curate.text.buffers import text_buffers
from filters import TextBatch, shared_lines
from filters.rewrite import changed
from filters.same_url import VERSION as URL_VERSION
from filters.same_url import one_spelling
from filters.shared_lines import LINE, PARAGRAPH, Pieces, pieces_of, without

VERSION = 1

LABEL = f"dedup.lines@{shared_lines.VERSION}"
"""Of what was trimmed, in the column `transforms`."""

RUN_LINES = 1 << 21
"""Lines that are sorted at once: 32 MB, and four times that while it happens."""

RANGE_LINES = 4 << 20
"""Lines of a range: about 250 MB while they are sorted."""

MOST = 32 << 20
"""Lines that may leave: 512 MB in each worker that trims."""

TRIMMED = {"line": pl.UInt64, "source": pl.String, "times": pl.Int64, "characters": pl.Int64, "shard": pl.String,
           "row": pl.Int64, "start": pl.Int64, "end": pl.Int64}  # fmt: skip
"""How often a line left the documents of a source, its characters as they compare, and a place where it stood: a row
of a shard of what was read, and bytes of its text."""

Bools = npt.NDArray[np.bool_]


def identity(lines: LinesConfig) -> list[object]:
    """What of the config and the code can change what is counted."""
    spelling = URL_VERSION if lines.scope == "host" else None
    return [VERSION, shared_lines.VERSION, spelling, lines.model_dump()]


def count_tasks(parts: Sequence[Part], lines: LinesConfig, execution: ExecutionConfig) -> list[Task]:
    """One task a part."""
    return [
        Task("lines", key("lines", part.key, identity(lines)), part.object, count_split,
             (part.documents, lines, execution.batch_documents), divisible=True)
        for part in parts
    ]  # fmt: skip


def boilerplate_tasks(
    parts: Sequence[Part], counted: Sequence[Commit], lines: LinesConfig, execution: ExecutionConfig
) -> list[Task]:
    """One task a range of hashes; `counted` are the commits of `count_tasks`."""
    by_part = {part.key: commit for part, commit in zip(parts, counted, strict=True)}
    ordered = tuple(by_part[part.key] for part in distinct(parts))
    rows = sum(commit.rows("lines") for commit in ordered)
    ranges = ranges_for(rows, RANGE_LINES, execution.partitions)
    of = [commit.identity for commit in ordered]
    return [
        Task("boilerplate", key("boilerplate", VERSION, of, lines.min_documents, list(each)),
             f"range {n} of {len(ranges)}", find_boilerplate, (ordered, each, lines.min_documents))
        for n, each in enumerate(ranges, 1)
    ]  # fmt: skip


def trim_tasks(parts: Sequence[Part], found: Sequence[Commit], lines: LinesConfig) -> list[Task]:
    """One task a part; `found`: the commits of `boilerplate_tasks`. Raises CurateError where too many would leave."""
    leave = sum(commit.rows("boilerplate") for commit in found)
    if leave > MOST:
        raise CurateError(
            f"dedup.lines: {leave:,} lines stand in {lines.min_documents} texts or more, expected at most {MOST:,}, "
            "which are 512 MB a worker; raise min_documents or min_characters"
        )
    of = [commit.key for commit in found]
    return [
        Task("trim", key("trim", part.key, identity(lines), of), part.object, trim_split,
             (part.documents, tuple(found), lines))
        for part in parts
    ]  # fmt: skip


def count_split(
    writer: ShardWriter, store: Store, documents: Commit, lines: LinesConfig, batch_documents: int, rows: Rows = ALL
) -> None:
    """Write runs of kind `lines`: hash of a line and its scope, and half of the hash of a text that has it; of a line
    the `min_documents` smallest texts of some at a time.
    """
    pending: list[tuple[UInt64s, UInt64s]] = []
    for _, _, table in looked_at(store, documents, _columns(lines), batch_documents, rows):
        _, pieces, hashes, counts = _cut(table, lines)
        text = halves(table.column("text_hash"))[:, 0]
        pending.append((hashes[counts], np.repeat(text, pieces.spans.counts())[counts]))
        if sum(len(hashes) for hashes, _ in pending) >= RUN_LINES:
            _write_lines(writer, pending, lines.min_documents)
    _write_lines(writer, pending, lines.min_documents)


def _columns(lines: LinesConfig) -> list[str]:
    return ["text", "text_hash", *({"corpus": [], "source": ["source"], "host": ["url"]}[lines.scope])]


def _cut(table: pa.Table, lines: LinesConfig) -> tuple[TextBatch, Pieces, UInt64s, Bools]:
    """The pieces of the documents, and of each the hash with its scope and whether it counts."""
    batch = TextBatch(*text_buffers(table.column("text")))
    pieces = pieces_of(batch, LINE if lines.unit == "line" else PARAGRAPH)
    counts = pieces.characters >= lines.min_characters
    if lines.scope == "corpus":
        return batch, pieces, pieces.hashes, counts
    scopes = _scopes(table, lines)
    numbers: dict[str | None, np.uint64] = {
        name: np.uint64(0 if name is None else int.from_bytes(text_hash(name)[:8], "big")) for name in set(scopes)
    }
    scope = np.repeat(np.array([numbers[name] for name in scopes], np.uint64), pieces.spans.counts())
    there = np.repeat(np.array([name is not None for name in scopes], np.bool_), pieces.spans.counts())
    return batch, pieces, pieces.hashes ^ scope, counts & there


def _scopes(table: pa.Table, lines: LinesConfig) -> list[str | None]:
    if lines.scope == "source":
        return list(table.column("source").to_pylist())
    spelled = map(one_spelling, table.column("url").to_pylist())
    return [each and each.partition("#")[0].partition("?")[0].partition("/")[0] for each in spelled]


def _write_lines(writer: ShardWriter, pending: list[tuple[UInt64s, UInt64s]], most: int) -> None:
    if not pending:
        return
    hashes, texts = (np.concatenate(column) for column in zip(*pending, strict=True))
    pending.clear()
    if len(hashes):
        hashes, texts = _smallest(hashes, texts, most)
        writer.count("lines", len(hashes))
        write_run(writer, "lines", hashes, pa.table({"text": texts}))


def _smallest(hashes: UInt64s, texts: UInt64s, most: int) -> tuple[UInt64s, UInt64s]:
    """Distinct pairs of a line and a text, in order; of each line at most the `most` smallest texts."""
    order = np.lexsort((texts, hashes))
    hashes, texts = hashes[order], texts[order]
    distinct_pairs = begins(hashes, texts)
    hashes, texts = hashes[distinct_pairs], texts[distinct_pairs]
    beyond = np.zeros(len(hashes), np.bool_)
    beyond[most:] = hashes[most:] == hashes[:-most]
    return hashes[~beyond], texts[~beyond]


def find_boilerplate(
    writer: ShardWriter, store: Store, counted: Sequence[Commit], each: Range, min_documents: int
) -> None:
    """Write a run of kind `boilerplate`: lines of this range that enough texts have, and the text that keeps each."""
    tables = [t for commit in counted for t in read_range(store, commit.of("lines"), each)]
    empty = np.empty(0, np.uint64)
    hashes = np.concatenate([empty, *(table.column(KEY).to_numpy() for table in tables)])
    texts = np.concatenate([empty, *(table.column("text").to_numpy() for table in tables)])
    del tables
    ordered = np.sort(hashes)
    # Most lines are alone: only those that stand in enough rows are sorted with their texts.
    often = np.unique(ordered[min_documents - 1 :][ordered[min_documents - 1 :] == ordered[: 1 - min_documents]])
    _, chosen = look_up(often, hashes)
    hashes, texts = _smallest(hashes[chosen], texts[chosen], min_documents)
    first = np.flatnonzero(begins(hashes))
    first = first[np.diff(np.append(first, len(hashes))) == min_documents]
    writer.count("boilerplate", len(first))
    if len(first):
        write_run(writer, "boilerplate", hashes[first], pa.table({"text": texts[first]}))


def trim_split(
    writer: ShardWriter, store: Store, documents: Commit, found: Sequence[Commit], lines: LinesConfig
) -> None:
    """Write what `documents` has, its texts without boilerplate; and kind `trimmed`, TRIMMED."""
    leaving, keepers = _boilerplate(store, found)
    trimmed = [pl.DataFrame(schema=TRIMMED)]
    for shard, rows, table in looked_at(store, documents, None, BATCH_DOCUMENTS, ALL):
        kept, left = _trimmed(table, leaving, keepers, lines)
        writer.write("documents", kept)
        trimmed.append(left.with_columns(shard=pl.lit(shard.name), row=pl.Series(rows)[left["row"]]).select(*TRIMMED))
    copy_rest(writer, store, documents)
    totals = _by_line(pl.concat(trimmed))
    writer.count("trimmed", int(totals["times"].sum()))
    if len(totals):
        writer.write("trimmed", totals.to_arrow())


def _boilerplate(store: Store, found: Sequence[Commit]) -> tuple[UInt64s, UInt64s]:
    """The lines that leave, ascending as the ranges do, and the text that keeps each."""
    runs = [run for commit in found for run in commit.of("boilerplate")]
    tables = list(read_range(store, runs, Range(0, LAST)))
    empty = np.empty(0, np.uint64)
    return (
        np.concatenate([empty, *(table.column(KEY).to_numpy() for table in tables)]),
        np.concatenate([empty, *(table.column("text").to_numpy() for table in tables)]),
    )


def _trimmed(table: pa.Table, leaving: UInt64s, keepers: UInt64s, lines: LinesConfig) -> tuple[pa.Table, pl.DataFrame]:
    """The documents without the lines that leave, and TRIMMED of these, with rows of the table."""
    if not len(leaving):
        return table, pl.DataFrame(schema=TRIMMED)
    batch, pieces, hashes, counts = _cut(table, lines)
    document = np.repeat(np.arange(len(batch)), pieces.spans.counts())
    place, found = look_up(leaving, hashes)
    leaves = counts & found & (keepers[place] != halves(table.column("text_hash"))[document, 0])
    new = without(batch, pieces, leaves)
    chosen, at = np.flatnonzero(leaves), batch.offsets[document]
    values = {
        "line": hashes[chosen], "source": table.column("source").take(pa.array(document[chosen])).to_pylist(),
        "times": np.ones(len(chosen), np.int64), "characters": pieces.characters[chosen], "shard": None,
        "row": document[chosen], "start": (pieces.spans.start - at)[chosen],
        "end": (pieces.spans.end - at)[chosen],
    }  # fmt: skip
    hit = changed(batch, batch.with_texts(*new))
    return rewrite.with_texts(table, new, {LABEL: hit}), _by_line(pl.DataFrame(values, schema=TRIMMED))


def _by_line(trimmed: pl.DataFrame) -> pl.DataFrame:
    """A row a line and source: how often it left, and the first place."""
    places = pl.col("shard", "row", "start", "end").first()
    grouped = trimmed.group_by("line", "source", maintain_order=True)
    return grouped.agg(pl.col("times", "characters").sum(), places).sort("line", "source")
