"""Kernels over runs of words: their hashes, rolled from word to word, and which of them some text of a set has.

A gram's hash is the polynomial of its words' hashes modulo 2^64, then MurmurHash3's finalizer over that and its size:
one step a word, whatever the size.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
from numba import njit

from filters.folded_words import mix

_ROLL = np.uint64(0x9E3779B97F4A7C15)
_ONE, _SIX, _TWELVE, _LOW = np.uint64(1), np.uint64(6), np.uint64(12), np.uint64(63)


@njit(cache=True, nogil=True)
def whole(hashes, first):
    """One hash of all words of each text."""
    found = np.zeros(len(first) - 1, np.uint64)
    for i in range(len(found)):
        state = np.uint64(first[i + 1] - first[i])
        for j in range(first[i], first[i + 1]):
            state = mix(state * _ROLL + hashes[j])
        found[i] = state
    return found


@njit(cache=True, nogil=True)
def _power(size):
    """What the first word of a gram is multiplied by."""
    power = _ONE
    for _ in range(size - 1):
        power *= _ROLL
    return power


@njit(cache=True, nogil=True)
def grams(words, first, chosen, size, total):
    """Hashes of all grams of the chosen texts, one text after the other."""
    out = np.empty(total, np.uint64)
    power = _power(size)
    n = 0
    for t in chosen:
        rolled = np.uint64(0)
        for j in range(first[t], first[t + 1]):
            if j - first[t] >= size:
                rolled -= words[j - size] * power
            rolled = rolled * _ROLL + words[j]
            if j - first[t] >= size - 1:
                out[n] = mix(rolled + np.uint64(size))
                n += 1
    return out


@njit(cache=True, nogil=True)
def fill(keys, sizes_of, bloom, bloom_first):
    """Sets the bits of every key in the part for its size."""
    for k in range(len(keys)):
        begin = bloom_first[sizes_of[k]]
        shift = _shift(bloom_first[sizes_of[k] + 1] - begin)
        bloom[begin + _upper(keys[k], shift)] |= _three_bits(keys[k])


@njit(cache=True, nogil=True)
def _shift(length):
    """Right shift that leaves of a key a number below the power of two `length`."""
    bits = 0
    while 1 << bits < length:
        bits += 1
    return np.uint64(64 - bits)


@njit(cache=True, nogil=True)
def _upper(key, shift):
    """A shift by all 64 bits is none on most machines."""
    return np.int64(key >> shift) if shift < np.uint64(64) else np.int64(0)


@njit(cache=True, nogil=True)
def _three_bits(key):
    return _ONE << (key & _LOW) | _ONE << (key >> _SIX & _LOW) | _ONE << (key >> _TWELVE & _LOW)


@njit(cache=True, nogil=True)
def _look_up(gram, part, shift, keys, buckets, bucket_shift):
    """The number of the gram's key; -1 without one. `part` is that of the Bloom filter for its size."""
    bits = _three_bits(gram)
    if part[_upper(gram, shift)] & bits == bits:
        bucket = _upper(gram, bucket_shift)
        for j in range(buckets[bucket], buckets[bucket + 1]):
            if keys[j] == gram:
                return j
    return -1


@njit(cache=True, nogil=True)
def largest(
    words, first, sizes, keys, buckets, bloom, bloom_first, key_first, key_text, num_grams, seen, counts
):  # fmt: skip
    """`seen` and `counts[1]` hold the number of the last document, from 1 on, that a key or text was found in."""
    best = np.zeros(len(first) - 1)
    bucket_shift = _shift(len(buckets) - 1)
    for i in range(len(best)):
        document = np.int32(i + 1)
        for s in range(len(sizes)):
            size, part = sizes[s], bloom[bloom_first[s] : bloom_first[s + 1]]
            power, shift, rolled = _power(size), _shift(len(part)), np.uint64(0)
            for j in range(first[i], first[i + 1]):
                if j - first[i] >= size:
                    rolled -= words[j - size] * power
                rolled = rolled * _ROLL + words[j]
                if j - first[i] < size - 1:
                    continue
                k = _look_up(mix(rolled + np.uint64(size)), part, shift, keys, buckets, bucket_shift)
                if k < 0 or seen[k] == document:
                    continue
                seen[k] = document
                for t in key_text[key_first[k] : key_first[k + 1]]:
                    counts[0, t] = counts[0, t] + 1 if counts[1, t] == document else 1
                    counts[1, t] = document
                    best[i] = max(best[i], counts[0, t] / num_grams[t])
    return best


@njit(cache=True, nogil=True)
def places(words, sizes, keys, buckets, bloom, bloom_first, out):
    """Writes as many as `out` has room for; returns how many there are."""
    bucket_shift = _shift(len(buckets) - 1)
    n = 0
    for s in range(len(sizes)):
        size, part = sizes[s], bloom[bloom_first[s] : bloom_first[s + 1]]
        power, shift, rolled = _power(size), _shift(len(part)), np.uint64(0)
        for j in range(len(words)):
            if j >= size:
                rolled -= words[j - size] * power
            rolled = rolled * _ROLL + words[j]
            if j >= size - 1:
                k = _look_up(mix(rolled + np.uint64(size)), part, shift, keys, buckets, bucket_shift)
                if k >= 0:
                    if n < out.shape[1]:
                        out[0, n], out[1, n], out[2, n] = j - size + 1, size, k
                    n += 1
    return n
