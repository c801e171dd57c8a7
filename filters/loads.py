"""Eight bytes at a time: unaligned loads and stores, and the search for LF that they make four times as fast."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_LF = 10
_ONES = 0x0101010101010101
_HIGHS = 0x8080808080808080


@intrinsic
def load_8(_typing_context, array, index):  # pragma: no cover  # runs in numba's compiler
    """The 8 bytes of uint8[n] from `index` on as a little-endian uint64; they must lie within the array."""

    def codegen(context, builder, signature, arguments):
        loaded = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(loaded.data, [arguments[1]])
        return builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)

    if not isinstance(index, types.Integer):
        raise TypeError(f"load_8: index is {index}, expected an integer")
    return types.uint64(array, types.int64), codegen


@intrinsic
def store_8(_typing_context, array, index, _word):  # pragma: no cover  # runs in numba's compiler
    """Write a uint64 as 8 little-endian bytes into uint8[n] from `index` on; they must lie within the array."""

    def codegen(context, builder, signature, arguments):
        stored = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(stored.data, [arguments[1]])
        builder.store(arguments[2], builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    if not isinstance(index, types.Integer):
        raise TypeError(f"store_8: index is {index}, expected an integer")
    return types.none(array, types.int64, types.uint64), codegen


@intrinsic
def _trailing_zeros(_typing_context, _word):  # pragma: no cover  # runs in numba's compiler
    """Zero bits below the lowest one of a uint64 that is not 0."""

    def codegen(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@njit(cache=True, nogil=True)
def load_part(data, p, size):
    """The bytes p to p + size, 8 at most, as load_8 gives them, with zeros behind."""
    if size >= 8:
        return load_8(data, p)
    if p + 8 <= len(data):
        return load_8(data, p) & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1))
    word = np.uint64(0)
    for d in range(size):
        word |= np.uint64(data[p + d]) << np.uint64(8 * d)
    return word


@njit(cache=True, nogil=True)
def continuations(word):
    """How many of the 8 bytes of `word` continue a UTF-8 character (10xxxxxx)."""
    ones = (word >> np.uint64(7)) & ~(word >> np.uint64(6)) & np.uint64(_ONES)
    return np.int64((ones * np.uint64(_ONES)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def ascii_letters(word):
    """0x80 in each byte of `word` that is an ASCII letter, 0 in the others."""
    lower = word & np.uint64(0x7F * _ONES) | np.uint64(0x20 * _ONES)
    at_least_a, above_z = lower + np.uint64((0x80 - 0x61) * _ONES), lower + np.uint64((0x7F - 0x7A) * _ONES)
    return at_least_a & ~above_z & ~word & np.uint64(_HIGHS)


@njit(cache=True, nogil=True)
def after_letters(data, p, end):
    """The first byte from p on that is no ASCII letter, or `end`."""
    while p + 8 <= end:
        others = ~ascii_letters(load_8(data, p)) & np.uint64(_HIGHS)
        if others:
            return p + (_trailing_zeros(others) >> 3)
        p += 8
    while p < end and 0x61 <= data[p] | 0x20 <= 0x7A:
        p += 1
    return p


@njit(cache=True, nogil=True)
def has_byte(word, byte):
    """Not 0 if one of the 8 bytes of `word` is `byte`."""
    x = word ^ (np.uint64(byte) * np.uint64(_ONES))
    return (x - np.uint64(_ONES)) & ~x & np.uint64(_HIGHS)


@njit(cache=True, nogil=True)
def count_lf(data, p, end):
    """How many bytes from p on are LF."""
    sevens = np.uint64(0x7F * _ONES)
    n = np.int64(0)
    while p + 8 <= end:
        x = load_8(data, p) ^ np.uint64(_LF * _ONES)
        zeros = ~(((x & sevens) + sevens) | x | sevens)  # 0x80 in the bytes of x that are 0, and nothing else
        n += np.int64(((zeros >> np.uint64(7)) * np.uint64(_ONES)) >> np.uint64(56))
        p += 8
    while p < end:
        n += data[p] == _LF
        p += 1
    return n


@njit(cache=True, nogil=True)
def find_lf(data, p, end):
    """The first LF from p on, or `end`."""
    while p + 8 <= end and not has_byte(load_8(data, p), _LF):
        p += 8
    while p < end and data[p] != _LF:
        p += 1
    return p


@njit(cache=True, nogil=True)
def copied(data, p, end, text, n):
    """Copy data[p:end] to text[n:]; returns the place behind. numba compiles an assignment of slices for a second."""
    for d in range(end - p):
        text[n + d] = data[p + d]
    return n + end - p
