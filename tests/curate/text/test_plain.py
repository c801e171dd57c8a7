# ruff: noqa: RUF001 - the texts are in these scripts
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.config import ExtractConfig
from curate.text.plain import Problem, decode, html_to_text, is_normal, normalise

LIMITS = ExtractConfig()
SENTENCES = {
    "de": "Über den Wolken muss die Freiheit wohl grenzenlos sein, große Käfer schwärmen.",
    "ru": "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",
    "ja": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "zh": "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "pl": "Zażółć gęślą jaźń, a potem idź spać, bo jutro będzie nowy dzień.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
}
CHARSETS = [
    ("de", "iso-8859-1"), ("de", "iso-8859-15"), ("de", "windows-1252"), ("de", "utf-8"), ("ru", "windows-1251"),
    ("ru", "koi8-r"),
    ("ru", "iso-8859-5"), ("ja", "shift_jis"), ("ja", "euc-jp"), ("ja", "iso-2022-jp"), ("zh", "gb2312"), ("zh", "gbk"),
    ("zh", "gb18030"), ("ko", "euc-kr"), ("pl", "iso-8859-2"), ("pl", "windows-1250"), ("el", "iso-8859-7"),
    ("th", "tis-620"),
]  # fmt: skip


def page(text: str, head: str = "") -> str:
    return f"<html><head>{head}<title>t</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(("language", "charset"), CHARSETS)
def test_the_charset_of_header_or_page_is_respected(language: str, charset: str) -> None:
    text = SENTENCES[language]
    for declared, head in [
        (charset, ""),
        (charset.upper(), '<meta charset="utf-8">'),
        (None, f'<meta charset="{charset}">'),
        (None, f"<META http-equiv=Content-Type content='text/html; charset={charset}'>"),
        ("no-such-charset", f'<?xml version="1.0" encoding="{charset}"?>'),
    ]:
        assert html_to_text(page(text, head).encode(charset), declared, LIMITS) == text


@pytest.mark.parametrize(
    ("language", "charset"), [c for c in CHARSETS if "8859" not in c[1] and c[0] not in ("pl", "th")]
)
def test_an_undeclared_charset_is_detected(language: str, charset: str) -> None:
    text = SENTENCES[language] * 5
    assert html_to_text(page(text).encode(charset), None, LIMITS) == text


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_beats_every_declaration(charset: str) -> None:
    text = SENTENCES["ru"]
    assert html_to_text(page(text, '<meta charset="koi8-r">').encode(charset), "iso-8859-1", LIMITS) == text


def test_utf8_behind_a_latin1_header_is_utf8_and_real_latin1_is_latin1() -> None:
    assert decode(SENTENCES["de"].encode(), "ISO-8859-1", is_html=True) == SENTENCES["de"]
    assert decode(SENTENCES["de"].encode("latin-1"), "ISO-8859-1", is_html=True) == SENTENCES["de"]


def test_wrong_bytes_become_replacement_characters() -> None:
    assert decode(b"a\xffb", "utf-8", is_html=False) == "a\ufffdb"
    assert decode(b"", None, is_html=True) == ""


@given(
    st.binary(max_size=300),
    st.sampled_from([None, "utf-8", "utf-16", "shift_jis", "gb18030", "iso-2022-jp", "utf-7", "hex", "\x00"]),
)
def test_any_bytes_give_a_text_that_can_be_stored(data: bytes, charset: str | None) -> None:
    found = html_to_text(data, charset, LIMITS)
    assert isinstance(found, str)
    normalise(found).encode()


def test_main_content_stays_and_paragraphs_and_items_are_lines() -> None:
    items = "<p>First.<script>no()</script><ul><li>one<li>two</ul><p>Second."
    article = f"<article><section><div>{items}</div></section></article>"
    html = page(f"<nav>menu</nav>{article}<img alt='no'><footer>(c)</footer>")
    assert html_to_text(html.encode(), "utf-8", LIMITS) == "First.\n\n  \u2022 one\n  \u2022 two\n\nSecond."


def test_numeric_surrogates_and_nul_in_html_do_no_harm() -> None:
    found = html_to_text(b"<p>a&#xD800;b&#0;c\x00d</p>", "utf-8", LIMITS)
    assert isinstance(found, str)
    normalise(found).encode()


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div>" * 100_000, "html.too_deep"),
        ("<p>" + "<b>" * 100_000, "html.too_deep"),
        ("".join(f"<div><font color={i}>x</div>" for i in range(5_000)), "html.too_much_work"),
        ("<br>" * 1_000_001, "html.too_many_nodes"),
        ("<p " + " ".join(f"a{i}" for i in range(100_000)) + ">", "html.too_many_attributes"),
    ],
)
def test_pages_over_a_limit_are_a_problem_not_a_crash(html: str, reason: str) -> None:
    found = html_to_text(html.encode(), "utf-8", LIMITS)
    assert isinstance(found, Problem)
    assert found.reason == reason


CONTROLS = "\t\n\r\v\f\x00\x1c\x85\u2028\u2029\u200b\u00a0\u3000\ufeff\ufffe\U0001ffff\ufdd0\ud800"
HOSTILE = st.text(st.sampled_from("a e\u0301\u00e9\u1100\u1161\uac00ﬁ①" + CONTROLS))


@given(st.one_of(st.text(), HOSTILE))
@example("e\ufeff\u0301")
@example("\r\r\n\n \n\n")
def test_normalise_keeps_its_promises(text: str) -> None:
    found = normalise(text)
    assert normalise(found) == found
    assert unicodedata.is_normalized("NFC", found)
    found.encode()
    assert not {c for c in found if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} - {"\n", "\t"}
    assert not any(c == "\ufeff" or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in found)
    assert "\n\n\n" not in found
    assert found == found.strip()
    assert all(line == line.rstrip() for line in found.split("\n"))


MARKS = "".join(c for c in map(chr, range(0x20000)) if unicodedata.combining(unicodedata.normalize("NFD", c)[0]))
SURPLUS = re.compile(f"(?<=[{MARKS}]{{30}})[{MARKS}]+")
RUNS = st.builds(
    lambda mark, times: "a" + mark * times, st.sampled_from("\u0301\u0327\u0344\u0f73\u0e48"), st.integers(9, 70)
)


def without_shortcuts(text: str) -> str:
    """What the docstring of `normalise` says, each step over every character."""
    text = re.sub("\r\n|[\r\v\f\x85\u2028\u2029]", "\n", text)
    dropped = {c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n"}
    dropped |= {c for c in text if c == "\ufeff" or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF}
    text = "".join(c for c in text if c not in dropped)
    text = SURPLUS.sub("", unicodedata.normalize("NFC", SURPLUS.sub("", text)))
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub("\n{3,}", "\n\n", text).strip()


@given(st.one_of(st.text(), HOSTILE, st.lists(st.one_of(RUNS, HOSTILE)).map("".join)))
@example("a\u0301\u0327")
@example("\U0002f800\U0001d15e")
def test_normalise_is_its_description_whatever_it_skips(text: str) -> None:
    assert normalise(text) == without_shortcuts(text)


@given(st.one_of(st.binary(), HOSTILE.map(lambda text: text.encode("utf-8", "surrogatepass"))))
@example(b"\xc0\x80")
@example(b"\xe0\x80\x80")
@example(b"\xf0\x80\x80\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xed\xa0\x80")
@example(b"a\xe4\xb8")
def test_bytes_that_are_normal_are_utf8_and_stay_as_they_are(data: bytes) -> None:
    if is_normal(data):
        assert normalise(data.decode()).encode() == data


@pytest.mark.parametrize("language", SENTENCES)
def test_a_stored_text_is_normal_and_none_with_a_blank_at_a_line_end_is(language: str) -> None:
    text = unicodedata.normalize("NFC", SENTENCES[language])
    assert is_normal(f"{text}\n\n\t{text}".encode())
    for other in (f" {text}", f"{text}\n", f"{text}\u3000\n{text}", f"{text}\n\n\n{text}", f"{text}\ufeff{text}"):
        assert not is_normal(other.encode())


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Zl", "Zp")), min_size=1))
def test_normalise_keeps_clean_text_but_for_form_and_outer_space(text: str) -> None:
    assert normalise(f"x{text}x") == unicodedata.normalize("NFC", f"x{text}x").replace("\ufeff", "")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\r\nb\rc\u2028d\u2029e\x85f\x0cg\x0bh", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("a \t\nb\u00a0\n\n\n\n c ", "a\nb\n\n c"),
        ("e\u0301 ﬁ ① Ａ", "é ﬁ ① Ａ"),
        ("a\x00b\ufeffc\x07d\x9be", "abcde"),
        ("\u200da\u202eb", "\u200da\u202eb"),
        (" \n ", ""),
    ],
)
def test_normalise_examples(text: str, stored: str) -> None:
    assert normalise(text) == stored


def test_normalise_is_linear_in_white_space() -> None:
    assert normalise("a" + " " * 2_000_000 + "b" + "\n" * 2_000_000 + "c") == "a" + " " * 2_000_000 + "b\n\nc"
