"""Scanners for e-mail and internet addresses: each looks at a bounded number of bytes around the one that called it."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.unicode import DIGIT, LETTER, LONE, MARK, decode, decode_before

_HYPHEN, _DOT, _COLON = 0x2D, 0x2E, 0x3A
_MOST_LOCAL, _MOST_LABEL, _MOST_DOMAIN = 64, 63, 253
"""Bytes: RFC 5321, 4.5.3.1, and RFC 1035, 2.3.4."""

_MOST_IPV6 = 39


def _set(characters: bytes) -> npt.NDArray[np.bool_]:
    members = np.zeros(256, np.bool_)
    members[list(characters)] = True
    members.flags.writeable = False
    return members


_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
WORDY = _set(_LETTERS + b"0123456789_")
"""Bytes that no number or address may touch."""

_LABEL = _set(_LETTERS + b"0123456789-")
_LOCAL = _set(_LETTERS + b"0123456789_.+-'")
_HEX_OR_COLON = _set(b"0123456789abcdefABCDEF:")


@njit(cache=True, nogil=True)
def is_digit(byte):
    """Whether `byte` is one of `0-9`."""
    return 0x30 <= byte <= 0x39


@njit(cache=True, nogil=True)
def _is_other_letter(c, classes, flags):
    """Whether c is a character with one of `flags` beyond ASCII, of a script with spaces between words."""
    return c >= 0x80 and classes[c] & flags != 0 and not classes[c] & LONE


@njit(cache=True, nogil=True)
def email(data, begin, at, stop, classes):
    """(start, end) of the address around the `@` at `at`, within begin:stop; (0, 0) if none."""
    start = _local_start(data, begin, at, classes)
    end = _domain_end(data, at + 1, stop, classes) if start < at else np.int64(0)
    return (start, end) if end else (np.int64(0), np.int64(0))


@njit(cache=True, nogil=True)
def _local_start(data, begin, at, classes):
    """Where the part before the `@` starts, or `at`."""
    p = at
    if p > begin and data[p - 1] == _DOT:
        return at
    while p > begin:
        if data[p - 1] < 0x80:
            if not _LOCAL[data[p - 1]] or (data[p - 1] == _DOT and data[p] == _DOT):
                break
            p -= 1
        else:
            c, before = decode_before(data, begin, p)
            if not _is_other_letter(c, classes, LETTER | MARK | DIGIT):
                break
            p = before
        if at - p > _MOST_LOCAL:
            return at
    while p < at:
        c, length = decode(data, p, at)
        if WORDY[c] if c < 0x80 else _is_other_letter(c, classes, LETTER | DIGIT):
            break
        p += length
    return p


@njit(cache=True, nogil=True)
def _domain_end(data, p, stop, classes):
    """The end of the longest host name at p that has two labels and a top level that can be one; 0 if none."""
    begin, end = p, np.int64(0)
    labels = 0
    while p < stop and p - begin <= _MOST_DOMAIN:
        label = p
        while p < stop and p - label <= _MOST_LABEL:
            c, length = decode(data, p, stop)
            if not (_LABEL[c] if c < 0x80 else _is_other_letter(c, classes, LETTER | MARK | DIGIT)):
                break
            p += length
        if p == label or p - label > _MOST_LABEL or data[label] == _HYPHEN:
            break
        labels += 1
        if labels == 1 and p - label == 2 and is_digit(data[label]) and data[label + 1] == 0x78:
            break  # icon@2x.png, the name of an image for dense screens
        if labels > 1:
            top = _top_level_end(data, label, p, classes)
            end = top if top else end
        if p == stop or data[p] != _DOT or data[p - 1] == _HYPHEN:
            break
        p += 1
    return end if end - begin <= _MOST_DOMAIN else np.int64(0)


@njit(cache=True, nogil=True)
def _top_level_end(data, s, e, classes):
    """The end of the two letters or more, or of the `xn--` name, with which the label s:e begins; 0 if none."""
    if e - s > 4 and data[s] | 0x20 == 0x78 and data[s + 1] | 0x20 == 0x6E and data[s + 2] == data[s + 3] == _HYPHEN:
        while data[e - 1] == _HYPHEN:
            e -= 1
        return e if e > s + 4 else np.int64(0)
    p = s
    letters = 0
    while p < e and data[p] != _HYPHEN:
        c, length = decode(data, p, e)
        if is_digit(c) or (c >= 0x80 and classes[c] & DIGIT):
            return np.int64(0)
        letters += 1
        p += length
    return p if letters > 1 else np.int64(0)


@njit(cache=True, nogil=True)
def public_ipv4(data, begin, p, stop):
    """The end of the public IPv4 address whose first digit is at p; 0 if none."""
    if p > begin and (WORDY[data[p - 1]] or (data[p - 1] == _DOT and p - 1 > begin and is_digit(data[p - 2]))):
        return np.int64(0)
    address = np.int64(0)
    for k in range(4):
        if k:
            if p == stop or data[p] != _DOT:
                return np.int64(0)
            p += 1
        part, first = np.int64(0), p
        while p < stop and is_digit(data[p]) and p - first < 4:
            part = part * 10 + np.int64(data[p]) - 0x30
            p += 1
        if p == first or part > 255 or (data[first] == 0x30 and p - first > 1):
            return np.int64(0)
        address = address << 8 | part
    if p < stop and (WORDY[data[p]] or (data[p] == _DOT and p + 1 < stop and is_digit(data[p + 1]))):
        return np.int64(0)
    return p if _is_public(address) else np.int64(0)


_RESERVED = (
    (0, 8), (10, 8), (100 << 8 | 64, 10), (127, 8), (169 << 8 | 254, 16), (172 << 8 | 16, 12), (192 << 16, 24),
    (192 << 16 | 2, 24), (192 << 8 | 168, 16), (198 << 8 | 18, 15), (198 << 16 | 51 << 8 | 100, 24),
    (203 << 16 | 113, 24), (224, 3),
)  # fmt: skip
"""(the first octets, bits of the network) of IANA's special-purpose networks; 224/3 is multicast and reserved."""

_NETWORKS = tuple((first >> (-bits % 8), bits) for first, bits in _RESERVED)


@njit(cache=True, nogil=True)
def _is_public(address):
    for k in range(len(_NETWORKS)):  # noqa: SIM110  (numba compiles no generator)
        if address >> (32 - _NETWORKS[k][1]) == _NETWORKS[k][0]:
            return False
    return True


@njit(cache=True, nogil=True)
def public_ipv6(data, begin, p, stop):
    """The end of the public IPv6 address (2000::/3) whose first digit is at p; 0 if none."""
    if p > begin and (WORDY[data[p - 1]] or data[p - 1] == _COLON):
        return np.int64(0)
    if p + 4 >= stop or data[p + 4] != _COLON:
        return np.int64(0)
    e = p
    while e < stop and _HEX_OR_COLON[data[e]]:
        e += 1
        if e - p > _MOST_IPV6 + 1:
            return np.int64(0)
    if data[e - 1] == _COLON and data[e - 2] != _COLON:
        e -= 1  # a colon of the sentence
    elif e < stop and WORDY[data[e]]:
        return np.int64(0)
    return e if e - p <= _MOST_IPV6 and _is_public_ipv6(data, p, e) else np.int64(0)


@njit(cache=True, nogil=True)
def _is_public_ipv6(data, p, e):
    """Whether p:e, of hexadecimal digits and colons, is an address of 2000::/3 that is not reserved."""
    groups, gaps, digits = 0, 0, 0
    first = second = group = np.int64(0)
    while p <= e:
        if p == e or data[p] == _COLON:
            if digits:
                groups += 1
                first = group if groups == 1 else first
                second = group if groups == 2 and not gaps else second
                if p + 1 < e and data[p + 1] == _COLON:
                    gaps += 1
                    p += 1
            elif p < e:
                return False
            group, digits = np.int64(0), 0
        else:
            c = np.int64(data[p])
            group = group << 4 | (c - 0x30 if c <= 0x39 else (c | 0x20) - 0x57)
            digits += 1
            if digits > 4:
                return False
        p += 1
    if gaps > 1 or (groups != 8 if gaps == 0 else groups > 7):
        return False
    if first == 0x2001 and (second < 0x200 or second == 0xDB8):
        return False
    return 0x2000 <= first <= 0x3FFE or (first == 0x3FFF and second >= 0x1000)
