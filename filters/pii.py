"""Personal data that can be told by its shape: counted by kind, and masked.

    email   local part of letters, digits and `. _ + - '` (64 bytes at most, no two dots), `@`, a host name whose last
            label is two letters or more; letters beyond ASCII too, but for scripts without spaces, where it ends
    ipv4    four numbers of 0 to 255 without leading zeros, no longer dotted number, no letter beside; public
    ipv6    eight groups or `::`, in 2000::/3; public
    phone   `+`, an assigned country code, 8 to 15 digits (11 with a plausible area for +1, 11 for +7), in groups with a
            space, `-`, `.` or `/` between, and parentheses
    iban    in capitals, of the country's length, parted anywhere by single spaces or hyphens; remainder modulo 97 is 1
    card    a range and a length that Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, Mir or
            Maestro use, Luhn's check, as one number or 4-4-4-4, 4-4-4-4-3, 4-6-5, 4-6-4 with spaces or hyphens
Public: outside multicast and the networks that IANA keeps for special purposes, all of 192.0.0.0/24 and 2001::/23 among
them.

DIFFERS from datatrove 0.10.1, which masks e-mail and public IPv4. It misses addresses that touch Chinese text or have a
letter beyond ASCII; it lets symbols that RFC 5322 allows join an address to the URL or code before it; it takes
`name@1.2`, a package version, and `icon@2x.png` for addresses, and multicast and parts of longer numbers (`1.8.8.8.8`,
`v8.8.8.8`, `999.8.8.8`) for hosts.
Known misses: names and postal addresses; quoted local parts, `(at)` and other disguises; phone numbers in national form
or with 00, extensions; IBAN in small letters; cards of other issuers (RuPay, Verve, Elo), 13 digits in groups; digits
beyond ASCII. Known false alarms: section numbers and versions of four parts; one in ten numbers that begin like a card
and are as long; amounts such as +20 000 000; `git@host`.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.pii_addresses import email, is_digit, public_ipv4, public_ipv6
from filters.pii_numbers import card, iban, phone
from filters.registry import register, register_transform
from filters.rewrite import Texts, replaced
from filters.spans import Spans
from filters.unicode import CLASS

MASKS = ("[EMAIL]", "[IP]", "[IP]", "[PHONE]", "[IBAN]", "[CARD]")
Kind = Literal["email", "ipv4", "ipv6", "phone", "iban", "card"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_EMAIL, _IPV4, _IPV6, _PHONE, _IBAN, _CARD = range(len(KINDS))

Floats = npt.NDArray[np.float64]

_DIGIT, _AT, _PLUS = 1, 2, 3


def _triggers() -> npt.NDArray[np.uint8]:
    triggers = np.zeros(256, np.uint8)
    triggers[list(b"0123456789")] = _DIGIT
    triggers[ord("@")], triggers[ord("+")] = _AT, _PLUS
    triggers.flags.writeable = False
    return triggers


_TRIGGERS = _triggers()


@dataclass(frozen=True, slots=True)
class Found:
    """Personal data of each document."""

    spans: Spans
    """In order, without overlaps."""

    kind: npt.NDArray[np.uint8]
    """Of each span, an index of KINDS."""


def found(batch: TextBatch) -> Found:
    """Where the personal data are."""
    return batch.once(_find)


@register_transform("pii.mask", source="of each kind: see pii.*", semantics="curate", version=1)
def mask(batch: TextBatch, *, kinds: tuple[Kind, ...] = KINDS) -> Texts:
    """The text with `[EMAIL]`, `[IP]`, `[PHONE]`, `[IBAN]` or `[CARD]` where such data of one of `kinds` stood.

    The same words for everybody: a number of its own for each address would still tell who wrote to whom.
    """
    data = found(batch)
    chosen = np.isin(data.kind, [KINDS.index(kind) for kind in kinds])
    first = np.concatenate(([0], np.cumsum(chosen)))[data.spans.first]
    return replaced(batch, Spans(data.spans.start[chosen], data.spans.end[chosen], first), data.kind[chosen], MASKS)


def _find(batch: TextBatch) -> Found:
    cap = 1024
    while True:
        start, end, kind = np.empty(cap, np.int64), np.empty(cap, np.int64), np.empty(cap, np.uint8)
        n, first = _walk(batch.data, batch.offsets, CLASS, _TRIGGERS, start, end, kind)
        if n <= cap:
            return Found(Spans(start[:n], end[:n], first), kind[:n])
        cap = n


def _register(kind: int, name: str, unit: str, source: str) -> None:
    def measure(batch: TextBatch) -> Floats:
        data = batch.once(_find)
        return data.spans.sums(data.kind == kind).astype(np.float64)

    measure.__doc__ = f"{unit[0].upper()}{unit[1:]} in the document (rules: filters/pii.py), 0 upwards; 0.0 for none."
    register(f"pii.{name}", unit=unit, source=source, semantics="curate", version=1)(measure)


_register(_EMAIL, "emails", "e-mail addresses", "RFC 5321 and 6531, what people use of them")
_register(_IPV4, "ipv4", "public IPv4 addresses", "IANA IPv4 special-purpose registry")
_register(_IPV6, "ipv6", "public IPv6 addresses", "IANA IPv6 special-purpose registry")
_register(_PHONE, "phones", "phone numbers with +", "ITU-T E.164")
_register(_IBAN, "ibans", "bank account numbers", "ISO 13616, registry 101")
_register(_CARD, "cards", "payment card numbers", "ISO/IEC 7812, issuers' ranges")


@njit(cache=True, nogil=True)
def _walk(data, offsets, classes, triggers, start, end, kinds):
    """Write the spans as far as there is room; (at least as many as there are, first of each document)."""
    n = np.int64(0)
    first = np.zeros(len(offsets), np.int64)
    for i in range(len(offsets) - 1):
        begin, p, stop = offsets[i], offsets[i], offsets[i + 1]
        behind_email = begin
        while p < stop:
            trigger = triggers[data[p]]
            if trigger == 0:
                p += 1
                continue
            s, e, kind = p, np.int64(0), _PHONE
            if trigger == _DIGIT:
                s, e, kind = _number(data, begin, p, stop)
            elif trigger == _PLUS:
                e = phone(data, begin, p, stop)
            else:
                s, e = email(data, behind_email, p, stop, classes)
                kind = _EMAIL
                while e and n > first[i] and n <= len(start) and end[n - 1] > s:
                    n -= 1  # a number in the local part
                behind_email = max(behind_email, e)
            if e:
                n += 1
                if n <= len(start):
                    start[n - 1], end[n - 1], kinds[n - 1] = s, e, kind
                p = e
            elif trigger == _DIGIT:
                while p < stop and is_digit(data[p]):
                    p += 1
            else:
                p += 1
        first[i + 1] = n
    return n, first


@njit(cache=True, nogil=True)
def _number(data, begin, p, stop):
    """(start, end, kind) of what the run of digits at p belongs to; an end of 0 if nothing."""
    if p - 2 >= begin and 0x41 <= data[p - 1] <= 0x5A and 0x41 <= data[p - 2] <= 0x5A:
        return p - 2, iban(data, begin, p - 2, stop), _IBAN
    e = public_ipv4(data, begin, p, stop)
    if e:
        return p, e, _IPV4
    if data[p] == 0x32 or data[p] == 0x33:
        e = public_ipv6(data, begin, p, stop)
        if e:
            return p, e, _IPV6
    return p, card(data, begin, p, stop), _CARD
