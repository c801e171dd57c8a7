"""Kernel for repeated word n-grams, counted in the words that they cover: DCLM's maths."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
from numba import njit

from filters.grams import count_grams, count_slots, join, lengthen


@njit(cache=True, nogil=True)
def repeated_characters(data, start, end, first, top_sizes, cover_sizes, joined, tally, table):
    """Characters of repeated n-grams, int64[documents, sizes] for either list of rising sizes, and of all words.

    Top: of the grams with the highest count the longest, its characters x that count; 0 where no gram is there twice.
    Cover: characters of the words that lie in some gram which is there twice or more.
    """
    num_documents = len(first) - 1
    top = np.zeros((num_documents, len(top_sizes)), np.int64)
    cover = np.zeros((num_documents, len(cover_sizes)), np.int64)
    whole = np.zeros(num_documents, np.int64)
    epoch = np.int64(0)
    for i in range(num_documents):
        num_words = first[i + 1] - first[i]
        join(data, start, end, first[i], num_words, joined)
        whole[i] = joined.char_at[num_words]
        n = np.int64(0)
        for k in range(len(top_sizes)):
            n = lengthen(num_words, n, top_sizes[k], joined, tally)
            epoch += 1
            top[i, k] = _longest_of_the_top(
                n, _repeated(n, num_words, joined, tally, table, epoch), joined, tally, table
            )
        n = np.int64(0)
        for k in range(len(cover_sizes)):
            n = lengthen(num_words, n, cover_sizes[k], joined, tally)
            epoch += 1
            cover[i, k] = _covered(n, _repeated(n, num_words, joined, tally, table, epoch), joined, tally, table)
    return top, cover, whole


@njit(cache=True, nogil=True)
def _repeated(n, num_words, joined, tally, table, epoch):
    """Count the n-grams that may be there twice; returns how many."""
    num_grams = max(0, num_words - n + 1)
    count_slots(num_grams, tally)
    return count_grams(n, 2, num_grams, joined, tally, table, epoch)


@njit(cache=True, nogil=True)
def _longest_of_the_top(n, num_places, joined, tally, table):
    best = best_count = np.int64(0)
    for t in range(num_places):
        j, times = tally.places[t], table.counts[table.found[t]]
        characters = joined.char_at[j + n] - joined.char_at[j]
        if times > 1 and (times > best_count or (times == best_count and characters > best)):
            best, best_count = characters, times
    return best * best_count


@njit(cache=True, nogil=True)
def _covered(n, num_places, joined, tally, table):
    characters = np.int64(0)
    behind = np.int64(0)  # words before it are counted, or in no repeated gram
    for t in range(num_places):
        j = tally.places[t]
        if table.counts[table.found[t]] > 1:
            characters += joined.char_at[j + n] - joined.char_at[max(j, behind)]
            behind = j + n
    return characters
