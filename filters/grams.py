"""Kernels for repeated word n-grams: the most frequent one, and what a walk over the words meets again.

Most grams of a text stand in it once, and what is there once needs no table: small counters that are indexed by a hash
say so for all grams, and bytes are compared for the few that are left.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from collections import namedtuple

import numpy as np
from numba import njit

from filters.loads import continuations, load_8, load_part, store_8
from filters.spans import Spans

_ODD = 0x9E3779B97F4A7C15
_MIX = 0xD6E8FEB86659FD93
_FIRST_REACH = 16
"""Bytes that tell most places of a text apart: 84 % of the words of English manuals begin 16 bytes that none else does,
92 % 24, 94 % 32."""

_REACHES = 3
PADDING = _FIRST_REACH << (_REACHES - 1)
"""Bytes behind the joined words that may be read."""

_MOST = 2**16 - 1
_FAR = 1 << 62

Joined = namedtuple("Joined", "data byte_at char_at hashes")
"""The words of a document put together without spaces: uint8[bytes + PADDING]; where each begins in bytes and in
characters, int64[words + 1]; the hash of each, uint64[words]."""

Tally = namedtuple("Tally", "grams slots counts places")
"""Small counters that stop at _MOST, uint16[slots]; by first word, uint64 or int64[words], the hash of a gram and its
slot; and `places`, the grams that need a closer look."""

Table = namedtuple("Table", "keys values counts found")
"""A hash table of grams that are equal byte for byte: hash; epoch << 32 | first word; how often; and the slots of those
counted last. A slot of another epoch is empty."""


@njit(cache=True, nogil=True)
def gram_characters(data, start, end, first, top_sizes, dup_sizes, joined, tally, table):
    """Characters in n-grams: (int64[documents, top sizes], int64[documents, duplicate sizes]); sizes rise.

    Top: (characters of the most frequent gram with single spaces) x its count; the first gram of the highest count.
    Duplicate: from left to right, a gram equal to one met before, its words put together without spaces, adds its
    characters and the walk goes on behind it; any other is remembered and the walk goes on by a word.
    Equal hashes are confirmed on the bytes. 0 where a document has fewer than n words.
    """
    num_documents = len(first) - 1
    top = np.zeros((num_documents, len(top_sizes)), np.int64)
    dup = np.zeros((num_documents, len(dup_sizes)), np.int64)
    reach = np.empty(len(tally.places), np.int64)
    epoch = np.int64(0)
    for i in range(num_documents):
        num_words = first[i + 1] - first[i]
        join(data, start, end, first[i], num_words, joined)
        n = np.int64(0)
        for k in range(len(top_sizes)):
            n = lengthen(num_words, n, top_sizes[k], joined, tally)
            top[i, k], epoch = _top(n, num_words, joined, tally, table, epoch)
        if len(dup_sizes):
            find_reach(num_words, joined, tally, reach)
            num_places = np.int64(-1)
            for k in range(len(dup_sizes)):
                epoch += 1
                num_places = _within_reach(dup_sizes[k], num_words, joined, reach, tally, num_places)
                dup[i, k] = _dup(dup_sizes[k], num_places, joined, tally, table, epoch)
    return top, dup


def room(words: Spans) -> tuple[Joined, Tally, Table]:
    """(Joined, Tally, Table) for the largest document of the words' Spans."""
    most_words = int(words.counts().max(initial=0))
    some = words.first[:-1] < words.first[1:]
    most_bytes = int((words.end[words.first[1:][some] - 1] - words.start[words.first[:-1][some]]).max(initial=0))
    size = 1 << _bits(most_words)
    at = [np.empty(most_words + 1, np.int64) for _ in range(5)]
    hashes, grams = np.empty(most_words, np.uint64), np.empty(most_words, np.uint64)
    return (
        Joined(np.zeros(most_bytes + PADDING, np.uint8), at[0], at[1], hashes),
        Tally(grams, at[2], np.empty(size, np.uint16), at[3]),
        Table(np.zeros(size, np.uint64), np.zeros(size, np.int64), np.empty(size, np.int64), at[4]),
    )


@njit(cache=True, nogil=True)
def _bits(num_items):
    """Of a table with four to eight slots an item."""
    bits = 4
    while 1 << bits < 4 * num_items:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _mixed(h, word):
    h = (h ^ word) * np.uint64(_MIX)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)
def _slot(h, bits):
    """The slot of a hash: the high bits of a product depend on all bits."""
    return np.int64((h * np.uint64(_ODD)) >> np.uint64(64 - bits))


@njit(cache=True, nogil=True)
def join(data, start, end, begin, num_words, joined):
    """Put the words together, and hash each."""
    joined.byte_at[0] = joined.char_at[0] = 0
    b = c = np.int64(0)
    for j in range(num_words):
        p = start[begin + j]
        size = end[begin + j] - p
        h = np.uint64(size)
        c += size
        for d in range(0, size, 8):
            word = load_part(data, p + d, size - d)
            store_8(joined.data, b + d, word)
            h = _mixed(h, word)
            c -= continuations(word)
        b += size
        joined.hashes[j] = h
        joined.byte_at[j + 1], joined.char_at[j + 1] = b, c


@njit(cache=True, nogil=True)
def lengthen(num_words, m, n, joined, tally):
    """Hashes of the grams of m words -> those of the grams of n words; returns n. m = 0: there are none yet.

    They are sums of products of the words' hashes, so that a longer gram takes one product more.
    """
    if m == 0:
        for j in range(num_words):
            tally.grams[j] = joined.hashes[j]
        m = np.int64(1)
    while m < n:
        for j in range(num_words - m):
            tally.grams[j] = tally.grams[j] * np.uint64(_ODD) + joined.hashes[j + m]
        m += 1
    return m


@njit(cache=True, nogil=True)
def count_slots(num_grams, tally):
    """Count the grams by slot; returns the highest count: none is there more often, unless it is _MOST."""
    bits = _bits(num_grams)
    tally.counts[: 1 << bits] = 0
    most = np.uint16(0)
    for j in range(num_grams):
        slot = _slot(tally.grams[j], bits)
        tally.slots[j] = slot
        tally.counts[slot] += tally.counts[slot] < _MOST
        most = max(most, tally.counts[slot])
    return np.int64(most)


@njit(cache=True, nogil=True)
def count_grams(n, least, num_grams, joined, tally, table, epoch):
    """Count those n-grams exactly whose slot counts `least` or more; returns how many.

    They are in `places`; the one at places[t] is there counts[found[t]] times. Grams are equal whose words are.
    """
    num_places = np.int64(0)
    for j in range(num_grams):
        tally.places[num_places] = j
        num_places += tally.counts[tally.slots[j]] >= least
    bits = _bits(num_places)
    data, byte_at, keys, values = joined.data, joined.byte_at, table.keys, table.values
    grams, counts = tally.grams, table.counts
    for t in range(num_places):
        j = tally.places[t]
        slot = _find(n, j, grams[j], bits, n, data, byte_at, keys, values, epoch)
        if values[slot] >> 32 != epoch:
            keys[slot], values[slot], counts[slot] = grams[j], epoch << 32 | j, 0
        counts[slot] += 1
        table.found[t] = slot
    return num_places


@njit(cache=True, nogil=True)
def _find(n, j, h, bits, parts, data, byte_at, keys, values, epoch):
    """The slot of the n-gram at word j, whose hash is h: one of another epoch where the table does not have it.

    Grams are equal that have equal bytes, and of whose first `parts` words each has as many.
    """
    slot = _slot(h, bits)
    num_bytes = byte_at[j + n] - byte_at[j]
    while values[slot] >> 32 == epoch:
        other = values[slot] & 0xFFFFFFFF
        if (
            keys[slot] == h
            and byte_at[other + n] - byte_at[other] == num_bytes
            and _same_sizes(byte_at, other, j, parts)
            and _same_bytes(data, byte_at[other], byte_at[j], num_bytes)
        ):
            break
        slot = (slot + 1) & ((1 << bits) - 1)
    return slot


@njit(cache=True, nogil=True)
def _same_sizes(byte_at, a, b, parts):
    for k in range(1, parts):  # noqa: SIM110  (numba compiles no generator)
        if byte_at[a + k] - byte_at[a] != byte_at[b + k] - byte_at[b]:
            return False
    return True


@njit(cache=True, nogil=True)
def _same_bytes(data, a, b, num_bytes):
    for d in range(0, num_bytes, 8):
        if load_part(data, a + d, num_bytes - d) != load_part(data, b + d, num_bytes - d):
            return False
    return True


@njit(cache=True, nogil=True)
def _top(n, num_words, joined, tally, table, epoch):
    """((characters of the most frequent n-gram, n - 1 spaces with them) x its count, the table's last epoch)."""
    if num_words < n:
        return np.int64(0), epoch
    num_grams = num_words - n + 1
    best, best_count = np.int64(0), np.int64(1)
    least = count_slots(num_grams, tally)
    while least > 1:
        epoch += 1
        best, best_count = np.int64(0), np.int64(1)
        for t in range(count_grams(n, least, num_grams, joined, tally, table, epoch)):
            slot = table.found[t]
            if table.counts[slot] > best_count:
                best, best_count = table.values[slot] & 0xFFFFFFFF, table.counts[slot]
        if best_count >= least or least == 2:
            break
        least = max(best_count, 2)  # Several grams shared the slot; others may have as many without.
    return (joined.char_at[best + n] - joined.char_at[best] + n - 1) * best_count, epoch


@njit(cache=True, nogil=True)
def find_reach(num_words, joined, tally, reach):
    """reach[j] = bytes of the longest piece from word j on that may begin at another word too, rounded up."""
    for j in range(num_words):
        tally.places[j] = j
    num_places = num_words
    for level in range(_REACHES):
        size = _FIRST_REACH << level
        bits = _bits(num_places)
        tally.counts[: 1 << bits] = 0
        for t in range(num_places):
            at = joined.byte_at[tally.places[t]]
            h = np.uint64(0)
            for d in range(0, size, 8):
                h = _mixed(h, load_8(joined.data, at + d))
            tally.slots[t] = _slot(h, bits)
            tally.counts[tally.slots[t]] += tally.counts[tally.slots[t]] < _MOST
        alike = np.int64(0)
        for t in range(num_places):
            j = tally.places[t]
            reach[j] = size - 1
            tally.places[alike] = j
            alike += tally.counts[tally.slots[t]] > 1
        num_places = alike
    for t in range(num_places):
        reach[tally.places[t]] = _FAR


@njit(cache=True, nogil=True)
def _within_reach(n, num_words, joined, reach, tally, num_places):
    """Write the words whose n-gram may be there twice to `places`, where those for a smaller n are (-1: all words)."""
    kept = np.int64(0)
    for t in range(num_words if num_places < 0 else num_places):
        j = t if num_places < 0 else tally.places[t]
        if j + n > num_words:
            break
        tally.places[kept] = j
        kept += joined.byte_at[j + n] - joined.byte_at[j] <= reach[j]
    return kept


@njit(cache=True, nogil=True)
def _dup(n, num_places, joined, tally, table, epoch):
    """Characters of the n-grams that a walk meets again, of those at `places`."""
    bits = _bits(num_places)
    data, byte_at, char_at, places = joined.data, joined.byte_at, joined.char_at, tally.places
    keys, values = table.keys, table.values
    characters = behind = np.int64(0)
    for t in range(num_places):
        j = places[t]
        if j < behind:
            continue
        at = byte_at[j]
        num_bytes = byte_at[j + n] - at
        h = np.uint64(num_bytes)
        for d in range(0, num_bytes, 8):
            h = _mixed(h, load_part(data, at + d, num_bytes - d))
        slot = _find(n, j, h, bits, np.int64(0), data, byte_at, keys, values, epoch)
        if values[slot] >> 32 == epoch:
            characters += char_at[j + n] - char_at[j]
            behind = j + n
        else:
            keys[slot], values[slot] = h, epoch << 32 | j
    return characters
