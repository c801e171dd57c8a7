"""Kernel for repeated word n-grams, counted in the words that they cover: DCLM's maths."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
from numba import njit

from filters.grams import PREFIX, find_alone_pairs, hash_of, join, most_of, power_table, same_words, spread, table_size


@njit(cache=True, nogil=True)
def repeated_characters(data, start, end, first, top_sizes, cover_sizes):
    """Characters of repeated n-grams, int64[documents, sizes] for either list of sizes, and of all words.

    Top: of the grams with the highest count the longest, its characters x that count; 0 where no gram is there twice.
    Cover: characters of the words that lie in some gram which is there twice or more.
    """
    num_documents = len(first) - 1
    top = np.zeros((num_documents, len(top_sizes)), np.int64)
    cover = np.zeros((num_documents, len(cover_sizes)), np.int64)
    whole = np.zeros(num_documents, np.int64)
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
        whole[i] = char_at[num_words]
        find_alone_pairs(num_words, byte_at, hash_at, powers, slots, seen, alone)
        for k in range(len(top_sizes)):
            epoch += 1
            n = top_sizes[k]
            _count(n, num_words, joined, byte_at, hash_at, powers, alone, keys, values, counts, slots, epoch)
            top[i, k] = _longest_of_the_top(n, num_words, char_at, slots, counts)
        for k in range(len(cover_sizes)):
            epoch += 1
            n = cover_sizes[k]
            _count(n, num_words, joined, byte_at, hash_at, powers, alone, keys, values, counts, slots, epoch)
            cover[i, k] = _covered(n, num_words, char_at, slots, counts)
    return top, cover, whole


@njit(cache=True, nogil=True)
def _count(n, num_words, joined, byte_at, hash_at, powers, alone, keys, values, counts, slots, epoch):
    """counts[slots[j]] = how often the n-gram at word j is there; slots[j] = -1 where it is known to be there once.

    A slot of another epoch is empty. Grams are equal if their words are; equal hashes are confirmed on the bytes.
    """
    mask = table_size(num_words) - 1
    lonely = -1  # the last word seen whose pair with the next one is nowhere else
    for j in range(min(n - 2, num_words)):
        if alone[j]:
            lonely = j
    for j in range(num_words - n + 1):
        if alone[j + n - 2]:
            lonely = j + n - 2
        if lonely >= j:
            slots[j] = -1
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
        else:
            keys[slot], values[slot], counts[slot] = h, epoch << 32 | j, 1
        slots[j] = slot


@njit(cache=True, nogil=True)
def _longest_of_the_top(n, num_words, char_at, slots, counts):
    best = best_count = np.int64(0)
    for j in range(num_words - n + 1):
        if slots[j] >= 0 and counts[slots[j]] > 1:
            characters = char_at[j + n] - char_at[j]
            if counts[slots[j]] > best_count or (counts[slots[j]] == best_count and characters > best):
                best, best_count = characters, counts[slots[j]]
    return best * best_count


@njit(cache=True, nogil=True)
def _covered(n, num_words, char_at, slots, counts):
    characters = np.int64(0)
    behind = np.int64(0)  # words before it are counted, or in no repeated gram
    for j in range(num_words - n + 1):
        if slots[j] >= 0 and counts[slots[j]] > 1:
            characters += char_at[j + n] - char_at[max(j, behind)]
            behind = j + n
    return characters
