"""Millions of short made texts with planted duplicates, as Parquet; the truth stands in each document's url.

    python -m tests.bench.dedup_synthetic OUT DOCUMENTS

Words are those of the reference corpus, drawn with Zipf's frequencies (1 / rank), 60 to 100 a text: two texts that are
not planted share next to no five words in a row. Every word of every document is a function of its number alone, so
nothing is held in memory and equal arguments give equal files. A document is one of KINDS; kinds are strewn over the
files by a permutation of the numbers. Its url is `made:KIND:GROUP:NUMBER`: what may be removed for another document is
of the same group.
"""

import argparse
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from tests.bench.dedup_texts import texts

KINDS = ("template", "cluster", "chain", "near", "exact", "alone")
"""template: 60 words in common, 20 of its own: Jaccard 56 / 96 = .583 with every other, below the bound, each a group
of its own; cluster: copies of one text, one word changed in each; chain: ten texts, one more word changed in each;
near: a text and its copy with one word changed; exact: a text and its copy; alone: nothing like it."""

LEAST_WORDS, MOST_WORDS = 60, 100
TEMPLATE_WORDS, OWN_WORDS = 60, 20
CHAIN = 10
BLOCK = 100_000
"""Documents that are made at a time."""

FILE_DOCUMENTS = 250_000
"""A file, of about 64 MB compressed."""

ROW_GROUP = 25_000
VOCABULARY_PAGES = 1000
WORD = re.compile(r"\b[a-z]{2,12}\b")
_TABLE_BITS = 20


@dataclass(frozen=True)
class Shape:
    """How many documents of each kind there are."""

    documents: int

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """One past the last place of each kind, in the order of KINDS; int64[6]."""
        n = self.documents
        family, cluster = min(100_000, n // 100), min(10_000, n // 100)
        # Of a near or exact pair one document is the copy: 15 and 5 % of all documents are copies.
        counts = [family, cluster, n // 100 // CHAIN * CHAIN, 2 * (n * 15 // 100), 2 * (n * 5 // 100)]
        return np.cumsum([*counts, n - sum(counts)])

    @property
    def stride(self) -> int:
        """Coprime with the number of documents, near its golden section: number -> place without a table."""
        stride = int(self.documents * 0.6180339887)
        while math.gcd(stride, self.documents) > 1:
            stride += 1
        return stride

    def number_of(self, kind: str) -> int:
        """Documents of a kind."""
        at = KINDS.index(kind)
        return int(self.ends[at] - (self.ends[at - 1] if at else 0))


def vocabulary() -> list[str]:
    """Words of the reference corpus in plain letters, the most frequent first."""
    counts: Counter[str] = Counter()
    for file in texts(pages=VOCABULARY_PAGES).files():
        for row in file:
            counts.update(WORD.findall(row["text"]))
    return sorted(counts, key=lambda word: (-counts[word], word))


def write(folder: Path, shape: Shape) -> None:
    """Make all documents, with the columns url, lang and text, in files of FILE_DOCUMENTS."""
    words = vocabulary()
    spelled = np.frombuffer("".join(word + " " for word in words).encode(), np.uint8)
    first = np.concatenate([[0], np.cumsum([len(word) + 1 for word in words])])
    share = np.cumsum(1 / np.arange(1, len(words) + 1))
    table = np.searchsorted(share / share[-1], (np.arange(1 << _TABLE_BITS) + 0.5) / (1 << _TABLE_BITS))
    folder.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("url", pa.string()), ("lang", pa.string()), ("text", pa.large_string())])
    for number, start in enumerate(range(0, shape.documents, FILE_DOCUMENTS)):
        end = min(start + FILE_DOCUMENTS, shape.documents)
        with pq.ParquetWriter(
            folder / f"made-{number:04d}.parquet", schema, compression="zstd", compression_level=1,
            use_dictionary=["lang"],
        ) as file:  # fmt: skip
            for block in range(start, end, BLOCK):
                count = min(BLOCK, end - block)
                file.write_table(_made(block, count, shape, spelled, first, table, schema), row_group_size=ROW_GROUP)


def _made(
    start: int,
    count: int,
    shape: Shape,
    spelled: npt.NDArray[np.uint8],
    first: npt.NDArray[np.int64],
    table: npt.NDArray[np.int64],
    schema: pa.Schema,
) -> pa.Table:
    """Documents `start` to `start + count`."""
    data = np.empty(count * MOST_WORDS * int(np.diff(first).max()), np.uint8)
    offsets = np.zeros(count + 1, np.int64)
    what = np.empty((count, 3), np.int64)
    _write(start, shape.documents, shape.stride, shape.ends, spelled, first, table, data, offsets, what)
    text = pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data[: offsets[-1]]))
    urls = [f"made:{KINDS[kind]}:{group}:{number}" for kind, group, number in what.tolist()]
    return pa.table([pa.array(urls), pa.repeat("en", count), text], schema=schema)


@njit(cache=True)
def _mixed(x):  # type: ignore[no-untyped-def]  # numba infers the types
    """SplitMix64's finalizer (Steele, Lea, Flood 2014)."""
    x = np.uint64(x) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True)
def _words(stream, n, table, out, at):  # type: ignore[no-untyped-def]
    """Draws `n` words of a stream to `out[at:]`."""
    state = _mixed(stream)
    for k in range(n):
        out[at + k] = table[_mixed(state + np.uint64(k)) >> np.uint64(64 - _TABLE_BITS)]


@njit(cache=True)
def _change(stream, n, words, table):  # type: ignore[no-untyped-def]
    """Puts another word at a place with four words on either side: five shingles change."""
    draw = _mixed(np.uint64(stream) ^ np.uint64(0xD1B54A32D192ED03))
    at = 4 + draw % np.uint64(n - 8)
    word = table[_mixed(draw) >> np.uint64(64 - _TABLE_BITS)]
    if word == words[at]:
        word = word - 1 if word else 1
    words[at] = word


@njit(cache=True)
def _words_of(place, ends, table, words):  # type: ignore[no-untyped-def]
    """Words of the document at a place; kind, group, number of words."""
    kind = 0
    while place >= ends[kind]:
        kind += 1
    rank = place - (ends[kind - 1] if kind else 0)
    size = 1
    if kind == 2:
        size = CHAIN
    elif kind == 3 or kind == 4:
        size = 2
    # Streams: the group's own, by its first place; all beyond the places are the kinds' in common.
    group = place - rank % size
    if kind == 1:
        group = ends[0]
    n = LEAST_WORDS + _mixed(group) % np.uint64(MOST_WORDS - LEAST_WORDS + 1)
    if kind == 0:
        n = np.uint64(TEMPLATE_WORDS + OWN_WORDS)
        _words(ends[5] + 1, TEMPLATE_WORDS, table, words, 0)
        _words(place, OWN_WORDS, table, words, TEMPLATE_WORDS)
    else:
        _words(group, n, table, words, 0)
    if (kind == 1 and rank) or (kind == 3 and rank % size):
        _change(place, n, words, table)
    if kind == 2:
        for link in range(rank % size):
            _change(group + 1 + link, n, words, table)
    return kind, group, n


@njit(cache=True)
def _write(start, documents, stride, ends, spelled, first, table, data, offsets, what):  # type: ignore[no-untyped-def]
    words = np.empty(MOST_WORDS, np.int64)
    total = 0
    for i in range(len(what)):
        place = (start + i) * stride % documents
        kind, group, n = _words_of(place, ends, table, words)
        for k in range(n):
            word = words[k]
            for at in range(first[word], first[word + 1]):
                data[total] = spelled[at]
                total += 1
        offsets[i + 1] = total
        what[i, 0], what[i, 1], what[i, 2] = kind, group, start + i


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("documents", type=int)
    args = parser.parse_args()
    write(args.out, Shape(args.documents))
    sys.stdout.write(f"{args.documents} documents below {args.out}\n")


if __name__ == "__main__":
    main()
