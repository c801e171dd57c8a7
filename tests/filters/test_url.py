"""Measures of URLs: by hand, against the standard library's parser, and on any text."""

from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch
from filters.lists import Domains, Subwords, Words

LISTS = {
    "url.blocked_domain": {"domains": Domains.of(["ads.example", "invalid", "x.co.uk", "b\u00fccher.example"])},
    "url.blocked_words": {"words": Words.of(["casino", "bet", "caf\u00e9"])},
    "url.soft_words": {"words": Words.of(["casino", "bet", "caf\u00e9"])},
    "url.blocked_subwords": {"subwords": Subwords.of(["bet365", "xx"])},
}
NAMES = [name for name, chosen in FILTERS.items() if chosen.reads_urls]
LABELS = st.lists(st.sampled_from(["www", "a", "ads", "example", "1", "x-2", "uk"]), min_size=1, max_size=5).map(
    ".".join
)
HOSTS = st.one_of(LABELS, st.sampled_from(["192.0.2.1", "[2001:db8::1]", "a.invalid."]))
PATHS = st.lists(st.sampled_from(["", "a", "b%20c", "BET", "d.html"]), max_size=4).map("/".join)
URLS = st.builds(
    "{}{}{}/{}{}".format, st.sampled_from(["http://", "HTTPS://", "//"]), st.sampled_from(["", "me@", "a:b@"]), HOSTS,
    PATHS, st.sampled_from(["", "?q=/casino", "#a/b", "?u=http://ads.example/"]),
)  # fmt: skip


def value(name: str, url: str) -> float:
    return float(FILTERS[name].measure(TextBatch.of([""], urls=[url]), **LISTS.get(name, {}))[0])


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("url.blocked_domain", "https://ads.example/x", 1),
        ("url.blocked_domain", "https://deep.www.ADS.example.:8080/x", 1),
        ("url.blocked_domain", "https://user@ads.example", 1),
        ("url.blocked_domain", "ads.example/x", 1),
        ("url.blocked_domain", "https://badads.example/", 0),
        ("url.blocked_domain", "https://ads.example.org/", 0),
        ("url.blocked_domain", "https://example.org/?u=http://ads.example/", 0),
        ("url.blocked_domain", "https://example.org\\@ads.example/", 0),
        ("url.blocked_domain", "https://x.co.uk", 1),
        ("url.blocked_domain", "https://co.uk", 0),
        ("url.blocked_domain", "https://www.B\u00dcCHER.example", 1),
        ("url.blocked_domain", "https://" + "a." * 100_000 + "ads.example/", 1),
        ("url.blocked_words", "https://casino.example/Bet/bet-1", 2),
        ("url.blocked_words", "https://casinos.example/alphabet?casino", 0),
        ("url.soft_words", "https://example.org/caf%C3%A9/bet2win", 2),
        ("url.blocked_subwords", "https://my-bet-365.example/", 1),
        ("url.blocked_subwords", "https://example.org/x/X", 1),
        ("url.blocked_subwords", "https://example.org/?xx", 0),
        ("url.ip_host", "http://192.0.2.1:80/x", 1),
        ("url.ip_host", "http://[2001:db8::1]:80/x", 1),
        ("url.ip_host", "http://1.2.3.4.example/", 0),
        ("url.host_digit_ratio", "http://a1b2/333", 0.5),
        ("url.subdomains", "https://www.a.b.example.org/", 2),
        ("url.subdomains", "https://localhost", 0),
        ("url.subdomains", "http://192.0.2.1/", 0),
        ("url.path_depth", "https://example.org//a/b.html/?q=/c", 2),
        ("url.path_depth", "https://example.org?q=/c", 0),
        ("url.length", "https://example.org/\u00e9", 21),
    ],
)
def test_by_hand(name: str, url: str, expected: float) -> None:
    assert value(name, url) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_document_without_an_address_is_zero(name: str) -> None:
    assert FILTERS[name].measure(TextBatch.of(["text"]), **LISTS.get(name, {})).tolist() == [0.0]
    assert value(name, "") == 0.0


@settings(deadline=None)
@given(URLS)
def test_host_and_path_are_those_of_the_standard_library(url: str) -> None:
    split = urlsplit(url)
    host = (split.hostname or "").rstrip(".")
    assert value("url.path_depth", url) == len([part for part in split.path.split("/") if part])
    assert value("url.host_digit_ratio", url) == sum(c.isdigit() for c in host) / max(len(host), 1)
    blocked = any(host == domain or host.endswith(f".{domain}") for domain in ("ads.example", "invalid", "x.co.uk"))
    assert value("url.blocked_domain", url) == blocked


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(URLS, st.text()), max_size=4))
def test_any_text_as_a_url_has_finite_values_that_are_its_own(urls: list[str]) -> None:
    for name in NAMES:
        values = FILTERS[name].measure(TextBatch.of([""] * len(urls), urls=urls), **LISTS.get(name, {}))
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert values.tolist() == [value(name, url) for url in urls]


@given(st.lists(st.text(), max_size=20), st.lists(st.text(), max_size=20))
def test_a_list_holds_what_it_was_made_of_and_nothing_else(entries: list[str], others: list[str]) -> None:
    assert Domains.of(entries).hold(entries + others).tolist() == [e in set(entries) for e in entries + others]


@pytest.mark.parametrize(
    ("kind", "entry", "normal"),
    [
        (Domains, "*.Ads.Example.", "ads.example"),
        (Domains, "http://ads.example/", None),
        (Domains, "ads.example/x", None),
        (Domains, "two words", None),
        (Words, "Casino", "casino"),
        (Words, "bet365", None),
        (Words, "two words", None),
        (Subwords, "Bet365", "bet365"),
        (Subwords, "caf\u00e9", None),
    ],
)
def test_an_entry_that_could_never_be_found_is_none(kind: type[Domains], entry: str, normal: str | None) -> None:
    assert kind.normal(entry) == normal
