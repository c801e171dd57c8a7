"""Addresses of one page have one spelling: rule by rule, and whatever is added that says nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.same_url import TRACKING, one_spelling

HOSTS = st.lists(st.sampled_from(["a", "b-1", "example", "www", "uk", "xn--p1ai"]), min_size=2, max_size=4).map(
    ".".join
)
PARTS = st.lists(st.sampled_from(["", "a", "B", "c%20d", "..", ".", "e.html", "caf\u00e9", "~x", "a|b"]), max_size=4)
PARAMETERS = st.lists(st.sampled_from(["a=1", "b=2", "b=1", "c", "d=%2f", "q=x+y", "id=%7e"]), max_size=4)


@st.composite
def addresses(draw: st.DrawFn) -> str:
    path, query = "/".join(draw(PARTS)), "&".join(draw(PARAMETERS))
    return f"http://{draw(HOSTS)}{'/' if path else ''}{path}{'?' if query else ''}{query}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/a", "https://example.org/a"),
        ("http://EXAMPLE.org./a", "http://example.org/a"),
        ("http://example.org:80/a", "https://example.org:443/a"),
        ("http://example.org:/a", "http://example.org/a"),
        ("http://www.example.org/a", "http://example.org/a"),
        ("http://example.org", "http://example.org/"),
        ("http://example.org/a/", "http://example.org/a"),
        ("http://example.org/a#b", "http://example.org/a"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        ("http://example.org/%7euser/%41", "http://example.org/~user/A"),
        ("http://example.org/%c3%a9", "http://example.org/\u00e9"),
        ("http://example.org/?b=2&a=1", "http://example.org/?a=1&b=2"),
        ("http://example.org/?utm_source=x&a=1&FBCLID=y", "http://example.org/?a=1"),
        ("http://example.org/?", "http://example.org/"),
        (" http://example.org/a\n", "http://example.org/a"),
        ("HTTP://[2001:DB8::1]:80/a", "http://[2001:db8::1]/a"),
    ],
)
def test_addresses_of_one_page_are_equal(one: str, other: str) -> None:
    assert one_spelling(one) == one_spelling(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/a", "http://example.org/A"),
        ("http://example.org/a//b", "http://example.org/a/b"),
        ("http://example.org:8080/", "http://example.org/"),
        ("http://example.org:443/", "http://example.org/"),
        ("http://blog.example.org/", "http://example.org/"),
        ("http://www.org/", "http://org/"),
        ("http://example.org/#!a", "http://example.org/#!b"),
        ("http://example.org/a%2fb", "http://example.org/a/b"),
        ("http://example.org/?a=1&a=2", "http://example.org/?a=2&a=1"),
        ("http://example.org/?a=utm_source", "http://example.org/"),
        ("http://me@example.org/", "http://example.org/"),
    ],
)
def test_addresses_of_two_pages_are_not(one: str, other: str) -> None:
    assert one_spelling(one) != one_spelling(other)


@pytest.mark.parametrize("url", [None, "", "unknown", "example.org/a", "ftp://example.org/", "http:///a", "http://:80"])
def test_what_is_no_web_address_has_no_spelling(url: str | None) -> None:
    assert one_spelling(url) is None


@settings(deadline=None)
@given(addresses(), st.sampled_from(sorted(TRACKING)), st.text("abc%=", max_size=5))
def test_what_says_nothing_of_the_page_changes_no_spelling(url: str, name: str, value: str) -> None:
    spelled = one_spelling(url)
    mark = "&" if "?" in url else "?"
    assert one_spelling(f"{url}{mark}{name}={value}") == spelled
    assert one_spelling(f"{url}#{value}") == spelled
    assert one_spelling(url.replace("http://", "HTTPS://www.")) == spelled


@settings(deadline=None)
@given(st.one_of(addresses(), st.text(), st.text().map(lambda text: f"http://{text}")))
def test_a_spelling_is_its_own(url: str) -> None:
    spelled = one_spelling(url)
    if spelled is not None:
        scheme = "http" if url.strip().lower().startswith("http:") else "https"
        assert one_spelling(f"{scheme}://{spelled}") == spelled
        assert spelled.isascii() or not spelled.partition("/")[0].isascii()
