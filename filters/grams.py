"""Kernels for repeated word n-grams: the most frequent one, and what a walk over the words meets again."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
from numba import njit

from filters.loads import load_8

_BASE = 0x9E3779B97F4A7C15
"""Odd, so that powers never vanish modulo 2^64."""

_MIX = 0xD6E8FEB86659FD93
PREFIX = 12
"""Bytes by which a gram is known to be alone in its document: two grams that are equal begin with equal bytes."""

_POWERS = 256


@njit(cache=True, nogil=True)
def gram_characters(data, start, end, first, top_sizes, dup_sizes):
    """Characters in n-grams: (int64[documents, top sizes], int64[documents, duplicate sizes]).

    Top: (characters of the most frequent gram with single spaces) x its count; the first gram of the highest count.
    Duplicate: from left to right, a gram equal to one met before, its words put together without spaces, adds its
    characters and the walk goes on behind it; any other is remembered and the walk goes on by a word.
    Equal hashes are confirmed on the bytes. 0 where a document has fewer than n words.
    """
    num_documents = len(first) - 1
    top = np.zeros((num_documents, len(top_sizes)), np.int64)
    dup = np.zeros((num_documents, len(dup_sizes)), np.int64)
    most_words, most_bytes = most_of(start, end, first)
    joined = np.empty(most_bytes + PREFIX, np.uint8)
    byte_at, char_at = np.empty(most_words + 1, np.int64), np.empty(most_words + 1, np.int64)
    hash_at = np.empty(most_words + 1, np.uint64)
    size = table_size(most_words)
    seen, alone = np.empty(8 * size, np.uint8), np.empty(most_words, np.uint8)
    slots = np.empty(most_words, np.int64)
    keys, values, counts = np.zeros(size, np.uint64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    powers = power_table()
    epoch = np.int64(0)
    for i in range(num_documents):
        num_words = first[i + 1] - first[i]
        join(data, start, end, first[i], num_words, joined, byte_at, char_at, hash_at, powers)
        find_alone_pairs(num_words, byte_at, hash_at, powers, slots, seen, alone)
        for k in range(len(top_sizes)):
            epoch += 1
            n = top_sizes[k]
            top[i, k] = _top(
                n, num_words, joined, byte_at, char_at, hash_at, powers, alone, keys, values, counts, epoch
            )
        _find_alone_prefixes(num_words, joined, byte_at, slots, seen, alone)
        for k in range(len(dup_sizes)):
            epoch += 1
            n = dup_sizes[k]
            dup[i, k] = _dup(n, num_words, joined, byte_at, char_at, hash_at, powers, alone, keys, values, epoch)
    return top, dup


@njit(cache=True, nogil=True)
def most_of(start, end, first):
    """(most words, most bytes of words) of a document."""
    most_words = most_bytes = 0
    for i in range(len(first) - 1):
        most_words = max(most_words, first[i + 1] - first[i])
        num_bytes = 0
        for j in range(first[i], first[i + 1]):
            num_bytes += end[j] - start[j]
        most_bytes = max(most_bytes, num_bytes)
    return most_words, most_bytes


@njit(cache=True, nogil=True)
def table_size(num_items):
    """A power of two of at least twice the items."""
    size = 16
    while size < 2 * num_items:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def power_table():
    """The first powers of _BASE: uint64[_POWERS]."""
    powers = np.empty(_POWERS, np.uint64)
    powers[0] = 1
    for k in range(1, _POWERS):
        powers[k] = powers[k - 1] * np.uint64(_BASE)
    return powers


@njit(cache=True, nogil=True)
def _power(powers, exponent):
    """_BASE ** exponent modulo 2^64."""
    if exponent < _POWERS:
        return powers[exponent]
    result, factor = np.uint64(1), np.uint64(_BASE)
    while exponent:
        if exponent & 1:
            result *= factor
        factor *= factor
        exponent >>= 1
    return result


@njit(cache=True, nogil=True)
def join(data, start, end, begin, num_words, joined, byte_at, char_at, hash_at, powers):
    """Put the words together; note where each begins in bytes and characters, and the hash of all before it."""
    byte_at[0] = char_at[0] = 0
    hash_at[0] = 0
    b = c = 0
    for j in range(num_words):
        p = start[begin + j]
        num_bytes = end[begin + j] - p
        h = np.uint64(0)
        if num_bytes <= _POWERS:  # products that do not wait for each other: half the time of Horner's rule
            for d in range(num_bytes):
                joined[b + d] = data[p + d]
                h += (np.uint64(data[p + d]) + np.uint64(1)) * powers[num_bytes - 1 - d]
                c += (data[p + d] & 0xC0) != 0x80
        else:
            for d in range(num_bytes):
                joined[b + d] = data[p + d]
                h = h * np.uint64(_BASE) + np.uint64(data[p + d]) + np.uint64(1)
                c += (data[p + d] & 0xC0) != 0x80
        b += num_bytes
        hash_at[j + 1] = hash_at[j] * _power(powers, num_bytes) + h
        byte_at[j + 1], char_at[j + 1] = b, c
    joined[b : b + PREFIX] = 0


@njit(cache=True, nogil=True)
def hash_of(j, n, byte_at, hash_at, powers):
    """Hash of words j to j + n put together."""
    return hash_at[j + n] - hash_at[j] * _power(powers, byte_at[j + n] - byte_at[j])


@njit(cache=True, nogil=True)
def spread(h):
    """Mix the high bits of a product into the low ones, which choose the slot."""
    h = (h ^ (h >> np.uint64(32))) * np.uint64(_MIX)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)
def _mark_alone(num_items, slots, seen, alone):
    """alone[j] = 1 where no other item has the slot of j."""
    for j in range(num_items):
        seen[slots[j]] = min(seen[slots[j]] + 1, 2)
    for j in range(num_items):
        alone[j] = seen[slots[j]] == 1


@njit(cache=True, nogil=True)
def find_alone_pairs(num_words, byte_at, hash_at, powers, slots, seen, alone):
    """alone[j] = 1 where no other pair of words equals words j, j + 1; a collision only loses a mark."""
    mask = 8 * table_size(num_words) - 1
    seen[: mask + 1] = 0
    for j in range(num_words - 1):
        slots[j] = spread(hash_of(j, 2, byte_at, hash_at, powers)) & np.uint64(mask)
    _mark_alone(num_words - 1, slots, seen, alone)
    if num_words:
        alone[num_words - 1] = 0


@njit(cache=True, nogil=True)
def _find_alone_prefixes(num_words, joined, byte_at, slots, seen, alone):
    """alone[j] = 1 where no other word begins the PREFIX bytes of words that begin at word j."""
    mask = 8 * table_size(num_words) - 1
    seen[: mask + 1] = 0
    for j in range(num_words):
        low = load_8(joined, byte_at[j])
        high = load_8(joined, byte_at[j] + PREFIX - 8)
        slots[j] = spread(low * np.uint64(_BASE) + high) & np.uint64(mask)
    _mark_alone(num_words, slots, seen, alone)


@njit(cache=True, nogil=True)
def _same_bytes(joined, a, b, num_bytes):
    d = 0
    while d + 8 <= num_bytes:
        if load_8(joined, a + d) != load_8(joined, b + d):
            return False
        d += 8
    while d < num_bytes:
        if joined[a + d] != joined[b + d]:
            return False
        d += 1
    return True


@njit(cache=True, nogil=True)
def same_words(joined, byte_at, a, b, n):
    """Whether words a to a + n are words b to b + n; together they have as many bytes."""
    for k in range(1, n):
        if byte_at[a + k] - byte_at[a] != byte_at[b + k] - byte_at[b]:
            return False
    return _same_bytes(joined, byte_at[a], byte_at[b], byte_at[a + n] - byte_at[a])


@njit(cache=True, nogil=True)
def _top(n, num_words, joined, byte_at, char_at, hash_at, powers, alone, keys, values, counts, epoch):
    """(characters of the most frequent n-gram, n - 1 spaces with them) x its count. A slot is empty in a new epoch."""
    if num_words < n:
        return 0
    mask = table_size(num_words) - 1
    best, best_count = np.int64(0), np.int64(1)
    for j in range(num_words - n + 1):
        lonely = False
        for k in range(n - 1):
            lonely |= alone[j + k] != 0
        if lonely:
            continue
        h = hash_of(j, n, byte_at, hash_at, powers)
        num_bytes = byte_at[j + n] - byte_at[j]
        slot = np.int64(spread(h) & np.uint64(mask))
        while values[slot] >> 32 == epoch:
            other = values[slot] & 0xFFFFFFFF
            if (
                keys[slot] == h
                and byte_at[other + n] - byte_at[other] == num_bytes
                and same_words(joined, byte_at, other, j, n)
            ):
                break
            slot = (slot + 1) & mask
        if values[slot] >> 32 == epoch:
            counts[slot] += 1
            other = values[slot] & 0xFFFFFFFF
            if counts[slot] > best_count or (counts[slot] == best_count and other < best):
                best, best_count = other, counts[slot]
        else:
            keys[slot], values[slot], counts[slot] = h, epoch << 32 | j, 1
    return (char_at[best + n] - char_at[best] + n - 1) * best_count


@njit(cache=True, nogil=True)
def _dup(n, num_words, joined, byte_at, char_at, hash_at, powers, alone, keys, values, epoch):
    """Characters of the n-grams that a walk meets again."""
    mask = table_size(num_words) - 1
    characters = np.int64(0)
    j = 0
    while j + n <= num_words:
        num_bytes = byte_at[j + n] - byte_at[j]
        if alone[j] and num_bytes >= PREFIX:
            j += 1
            continue
        h = hash_of(j, n, byte_at, hash_at, powers)
        slot = np.int64(spread(h) & np.uint64(mask))
        while values[slot] >> 32 == epoch:
            other = values[slot] & 0xFFFFFFFF
            if (
                keys[slot] == h
                and byte_at[other + n] - byte_at[other] == num_bytes
                and _same_bytes(joined, byte_at[other], byte_at[j], num_bytes)
            ):
                break
            slot = (slot + 1) & mask
        if values[slot] >> 32 == epoch:
            characters += char_at[j + n] - char_at[j]
            j += n
        else:
            keys[slot], values[slot] = h, epoch << 32 | j
            j += 1
    return characters
