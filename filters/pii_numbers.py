"""Scanners for phone, account and card numbers: each looks at a bounded number of bytes from where it is called."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.pii_addresses import WORDY, is_digit

_COUNTRY_CODES = (
    "1 7 20 27 30-34 36 39-41 43-49 51-58 60-66 81 82 84 86 90-95 98 211-213 216 218 220-258 260-269 290 291 297-299 "
    "350-359 370-378 380-383 385-387 389 420 421 423 500-509 590-599 670 672-683 685-692 800 808 850 852 853 855 856 "
    "870 878 880-883 886 888 960-968 970-977 979 992-996 998"
)
"""Assigned ones of ITU-T E.164."""

_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
"""Country and characters in all: the IBAN registry of SWIFT, release 101."""

_SHAPES = ((4, 4, 4, 4, 3), (4, 4, 4, 4, 0), (4, 6, 5, 0, 0), (4, 6, 4, 0, 0))
"""How the 19, 16, 15 and 14 digits of a card are grouped on it."""


def _country_codes() -> npt.NDArray[np.bool_]:
    """Of three digits in front: whether they begin with a country code."""
    known = np.zeros(1000, np.bool_)
    for piece in _COUNTRY_CODES.split():
        first, _, last = piece.partition("-")
        width = 10 ** (3 - len(first))
        known[int(first) * width : (int(last or first) + 1) * width] = True
    known.flags.writeable = False
    return known


def _iban_lengths() -> npt.NDArray[np.int64]:
    """By country: 26 * first letter + second; 0 for those without IBAN."""
    lengths = np.zeros(26 * 26, np.int64)
    for piece in _IBAN_LENGTHS.split():
        lengths[26 * (ord(piece[0]) - 65) + ord(piece[1]) - 65] = int(piece[2:])
    lengths.flags.writeable = False
    return lengths


_COUNTRY_CODE, _IBAN_LENGTH = _country_codes(), _iban_lengths()


@njit(cache=True, nogil=True)
def _space(data, p, stop):
    """Bytes of the space or no-break space at p; 0 if there is none."""
    if p < stop and data[p] == 0x20:
        return 1
    return 2 if p + 1 < stop and data[p] == 0xC2 and data[p + 1] == 0xA0 else 0


@njit(cache=True, nogil=True)
def phone(data, begin, p, stop):
    """The end of the international number whose `+` is at p; 0 if none."""
    if p > begin and (WORDY[data[p - 1]] or data[p - 1] == 0x2B):
        return np.int64(0)
    p += 1
    fixed = p < stop and (data[p] == 0x31 or data[p] == 0x37)
    most = 11 if fixed else 15
    end = taken = np.int64(0)
    front = area = exchange = np.int64(0)
    digits = np.int64(0)
    while True:
        group = p
        while p < stop and is_digit(data[p]) and digits <= 15:
            digits += 1
            front = front * 10 + np.int64(data[p]) - 0x30 if digits <= 3 else front
            area = data[p] if digits == 2 else area
            exchange = data[p] if digits == 5 else exchange
            p += 1
        if p == group or digits > most:
            break
        end, taken = p, digits
        p = _next_group(data, p, stop)
    if taken < 8 or not _COUNTRY_CODE[front] or (fixed and taken != 11):
        return np.int64(0)
    if end + 1 < stop and (data[end] == 0x2E or data[end] == 0x2C) and is_digit(data[end + 1]):
        return np.int64(0)  # a decimal fraction
    if front // 100 == 1 and (area < 0x32 or exchange < 0x32):
        return np.int64(0)  # in North America neither area nor exchange begins with 0 or 1
    return end


@njit(cache=True, nogil=True)
def _next_group(data, p, stop):
    """Behind what may part two groups of digits: `)`, then a space or one of `-./`, then `(`."""
    if p < stop and data[p] == 0x29:
        p += 1
    if p < stop and 0x2D <= data[p] <= 0x2F:
        p += 1
    else:
        p += _space(data, p, stop)
    return p + 1 if p < stop and data[p] == 0x28 else p


@njit(cache=True, nogil=True)
def iban(data, begin, p, stop):
    """The end of the IBAN whose two capitals are at p; 0 if none."""
    if p + 4 > stop or (p > begin and WORDY[data[p - 1]]):
        return np.int64(0)
    if not (is_digit(data[p + 2]) and is_digit(data[p + 3])):
        return np.int64(0)
    num_characters = _IBAN_LENGTH[26 * (np.int64(data[p]) - 65) + np.int64(data[p + 1]) - 65]
    rest, q = np.int64(0), p + 4
    for _ in range(num_characters - 4):
        gap = 1 if q < stop and data[q] == 0x2D else _space(data, q, stop)
        if q + gap >= stop or not (is_digit(data[q + gap]) or 0x41 <= data[q + gap] <= 0x5A):
            return np.int64(0)
        rest = _appended(rest, data[q + gap])
        q += gap + 1
    for k in range(4):
        rest = _appended(rest, data[p + k])
    check = 10 * np.int64(data[p + 2] - 0x30) + np.int64(data[p + 3] - 0x30)
    if num_characters == 0 or rest != 1 or not 2 <= check <= 98 or (q < stop and WORDY[data[q]]):
        return np.int64(0)
    return q


@njit(cache=True, nogil=True)
def _appended(rest, character):
    """rest, modulo 97, with a digit or a capital (10 to 35) written behind it."""
    c = np.int64(character)
    return (rest * 10 + c - 0x30) % 97 if c < 0x41 else (rest * 100 + c - 55) % 97


@njit(cache=True, nogil=True)
def card(data, begin, p, stop):
    """The end of the card number whose first digit is at p; 0 if none."""
    if p > begin and WORDY[data[p - 1]]:
        return np.int64(0)
    if p - 1 > begin and (data[p - 1] == 0x2E or data[p - 1] == 0x2C) and is_digit(data[p - 2]):
        return np.int64(0)  # what follows a decimal point
    run = p
    while run < stop and is_digit(data[run]) and run - p < 20:
        run += 1
    if run - p != 4:
        touched = run < stop and WORDY[data[run]]
        return run if 13 <= run - p <= 19 and not touched and _is_card(data, p, run) else np.int64(0)
    separator = data[run] if run < stop else np.uint8(0)
    if separator != 0x20 and separator != 0x2D:
        return np.int64(0)
    for k in range(len(_SHAPES)):
        end = _grouped_end(data, p, stop, _SHAPES[k], separator)
        if end and _is_card(data, p, end):
            return end
    return np.int64(0)


@njit(cache=True, nogil=True)
def _grouped_end(data, p, stop, shape, separator):
    """The end of digits at p in groups of the sizes `shape`; 0 if they are grouped otherwise or touch a word."""
    for k in range(len(shape)):
        if shape[k] == 0:
            break
        if k:
            if p >= stop or data[p] != separator:
                return np.int64(0)
            p += 1
        for _ in range(shape[k]):
            if p >= stop or not is_digit(data[p]):
                return np.int64(0)
            p += 1
    return p if p == stop or not WORDY[data[p]] else np.int64(0)


@njit(cache=True, nogil=True)
def _is_card(data, p, e):
    """Whether the digits of p:e pass Luhn's check and are in a range and length that an issuer uses."""
    front = digits = even = odd = np.int64(0)
    for q in range(p, e):
        if is_digit(data[q]):
            digit = np.int64(data[q]) - 0x30
            double = 2 * digit - 9 if digit > 4 else 2 * digit
            even, odd = odd + digit, even + double  # the sums if the digit were the last, or the last but one
            digits += 1
            front = front * 10 + digit if digits <= 4 else front
    return even % 10 == 0 and _is_issued(front, digits)


@njit(cache=True, nogil=True)
def _is_issued(front, digits):
    """Whether a card of so many digits may begin with the four digits `front`."""
    two, three = front // 100, front // 10
    if front // 1000 == 4:
        return digits == 13 or digits == 16 or digits == 19  # Visa
    if 51 <= two <= 55 or 2221 <= front <= 2720:
        return digits == 16  # Mastercard
    if two == 34 or two == 37:
        return digits == 15  # American Express
    if two == 36 or two == 38 or two == 39 or 300 <= three <= 305 or front == 3095:
        return digits == 14 or digits >= 16  # Diners Club
    if front == 6011 or 644 <= three <= 649 or two == 65 or two == 62 or 3528 <= front <= 3589:
        return digits >= 16  # Discover, UnionPay, JCB
    if 2200 <= front <= 2204:
        return digits >= 16  # Mir
    return digits >= 16 and front in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)  # Maestro
