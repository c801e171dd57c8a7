"""Eight bytes at a time: an unaligned load, and the search for LF that it makes four times as fast."""
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


@njit(cache=True, nogil=True)
def has_byte(word, byte):
    """Not 0 if one of the 8 bytes of `word` is `byte`."""
    x = word ^ (np.uint64(byte) * np.uint64(_ONES))
    return (x - np.uint64(_ONES)) & ~x & np.uint64(_HIGHS)


@njit(cache=True, nogil=True)
def find_lf(data, p, end):
    """The first LF from p on, or `end`."""
    while p + 8 <= end and not has_byte(load_8(data, p), _LF):
        p += 8
    while p < end and data[p] != _LF:
        p += 1
    return p
