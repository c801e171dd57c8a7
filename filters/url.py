"""Measures of a document's URL: its host in a list of domains, listed words in it, and its shape. All 0 without one.

The rules with lists are those of RefinedWeb (Penedo et al. 2023, arXiv:2306.01116, G.1), which FineWeb took over: a
list of domains, words of which one is enough, words of which it takes two, and parts of words. The config names them.

DIFFERS from datatrove 0.10.1: a listed domain stands for the hosts below it, not for all domains of its name; words are
looked for in host and path (not the parameters), in lower case, percent-encoding undone, and cut at all but letters.
NOT IMPLEMENTED: lists of whole addresses; the public suffix list, so `a.co.uk` has one subdomain.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from filters.batch import TextBatch
from filters.lists import Domains, Subwords, Words
from filters.registry import Bounds, register

Floats = npt.NDArray[np.float64]

LONGEST_HOST = 253
"""Characters of a host name (RFC 1035). Of a longer one, which is none, the end is looked at."""

_NO_DOMAINS, _NO_WORDS, _NO_SUBWORDS = Domains.of(()), Words.of(()), Subwords.of(())

_BEHIND_HOST = re.compile(r"[/?#\\]")
_BEHIND_PATH = re.compile(r"[?#]")
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_NOT_ALNUM = re.compile(r"[^a-z0-9]+")

_of_list = partial(register, source="RefinedWeb, arXiv:2306.01116 G.1", semantics="curate", version=1, reads_urls=True)
_of_shape = partial(register, source="definition", semantics="curate", version=1, reads_urls=True)


@_of_list("url.blocked_domain", unit="1 if blocked", high=1.0, default=Bounds(max=0))
def blocked_domain(batch: TextBatch, *, domains: Domains = _NO_DOMAINS) -> Floats:
    """1.0 if the host, or a domain that it lies below, is in the list, else 0.0."""
    labels = [url.host.split(".") for url in batch.once(_parsed)]
    names = [[".".join(each[i:]) for i in range(len(each))] for each in labels]
    return (_sums(names, domains.hold([name for each in names for name in each])) > 0).astype(np.float64)


@_of_list("url.blocked_words", unit="words", default=Bounds(max=0))
def blocked_words(batch: TextBatch, *, words: Words = _NO_WORDS) -> Floats:
    """Different words of host and path that are in the list, 0 upwards; for words of which one is enough."""
    return _listed(batch, words)


@_of_list("url.soft_words", unit="words", default=Bounds(max=1))
def soft_words(batch: TextBatch, *, words: Words = _NO_WORDS) -> Floats:
    """Different words of host and path that are in the list, 0 upwards; for words of which it takes two."""
    return _listed(batch, words)


@_of_list("url.blocked_subwords", unit="1 if blocked", high=1.0, default=Bounds(max=0))
def blocked_subwords(batch: TextBatch, *, subwords: Subwords = _NO_SUBWORDS) -> Floats:
    """1.0 if host and path, all but ASCII letters and digits left out, hold an entry of the list, else 0.0."""
    texts = [_NOT_ALNUM.sub("", (url.host + url.path).lower()) for url in batch.once(_parsed)]
    return subwords.within(texts).astype(np.float64)


@_of_shape("url.ip_host", unit="1 if an IP address", high=1.0)
def ip_host(batch: TextBatch) -> Floats:
    """1.0 if the host is an IP address, version 4 or 6, else 0.0."""
    return np.array([url.is_ip for url in batch.once(_parsed)], np.float64)


@_of_shape("url.host_digit_ratio", unit="share of characters, 0..1", high=1.0)
def host_digit_ratio(batch: TextBatch) -> Floats:
    """Share of the host's characters that are one of `0-9`, 0..1; 0.0 without a host."""
    hosts = [url.host for url in batch.once(_parsed)]
    return np.array([len(re.findall("[0-9]", host)) / max(len(host), 1) for host in hosts], np.float64)


@_of_shape("url.subdomains", unit="labels")
def subdomains(batch: TextBatch) -> Floats:
    """Labels of the host in front of its last two, a `www` not counted, 0 upwards; 0.0 for an IP address."""
    counts = [0 if url.is_ip else url.host.removeprefix("www.").count(".") - 1 for url in batch.once(_parsed)]
    return np.array([max(count, 0) for count in counts], np.float64)


@_of_shape("url.path_depth", unit="parts")
def path_depth(batch: TextBatch) -> Floats:
    """Parts of the path between slashes that are not empty, 0 upwards; 0.0 without a path."""
    return np.array([sum(map(bool, url.path.split("/"))) for url in batch.once(_parsed)], np.float64)


@_of_shape("url.length", unit="characters")
def length(batch: TextBatch) -> Floats:
    """Characters of the URL as stored, 0 upwards; 0.0 without one."""
    return np.array([len(url) for url in batch.urls], np.float64)


@dataclass(frozen=True, slots=True)
class _Url:
    host: str
    """In lower case, without user, port, brackets and the dot at its end."""

    path: str
    is_ip: bool


def _parsed(batch: TextBatch) -> list[_Url]:
    return [_parse(url) for url in batch.urls]


def _parse(url: str) -> _Url:
    """The parts of any text: what has no `//` is taken to begin with its host."""
    scheme, mark, rest = url.partition("//")
    if not mark or _BEHIND_HOST.search(scheme):
        rest = url
    behind = _BEHIND_HOST.search(rest)
    authority, rest = (rest[: behind.start()], rest[behind.start() :]) if behind else (rest, "")
    host = authority.rpartition("@")[2]
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    host = host[-LONGEST_HOST:].lower().rstrip(".")
    return _Url(host, _BEHIND_PATH.split(rest, maxsplit=1)[0].replace("\\", "/"), _is_ip(host))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _words(batch: TextBatch) -> list[list[str]]:
    """The different words of every host and path."""
    texts = [unquote(url.host + url.path).lower() for url in batch.once(_parsed)]
    return [sorted({word for word in _NOT_LETTERS.split(text) if word}) for text in texts]


def _listed(batch: TextBatch, words: Words) -> Floats:
    found = batch.once(_words)
    return _sums(found, words.hold([word for each in found for word in each])).astype(np.float64)


def _sums(texts: Sequence[Sequence[str]], held: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many of each document's texts are held."""
    ends = np.cumsum([0, *map(len, texts)])
    return np.diff(np.concatenate(([0], np.cumsum(held, dtype=np.int64)))[ends])
