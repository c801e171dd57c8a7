import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import unicode
from filters.unicode import CLASS, FOLD, decode, decode_before


@pytest.mark.skipif(
    unicodedata.unidata_version != unicode.UNIDATA_VERSION, reason="this Python has other Unicode data than the file"
)
def test_the_data_file_is_what_unicodedata_says() -> None:
    with np.load("filters/data/unicode.npz", allow_pickle=False) as stored:
        generated = unicode.generate()
        assert set(stored) == set(generated)
        for name, array in generated.items():
            np.testing.assert_array_equal(stored[name], array, err_msg="run `python filters/unicode.py`")


@pytest.mark.parametrize(
    ("char", "flags"),
    [
        ("a", unicode.LETTER),
        ("É", unicode.LETTER | unicode.UPPER),
        ("\u0301", unicode.MARK),
        ("٣", unicode.DIGIT),
        ("²", 0),
        ("\u3000", unicode.SPACE),
        ("\x1c", unicode.SPACE),
        ("「", unicode.PUNCT),
        ("€", unicode.SYMBOL),
        ("🙂", unicode.SYMBOL),
        ("日", unicode.LETTER | unicode.LONE),
        ("々", unicode.LETTER | unicode.LONE),
        ("ー", unicode.LETTER | unicode.LONE),
        ("가", unicode.LETTER | unicode.LONE),
        ("ก", unicode.LETTER | unicode.LONE),
        ("\u0e31", unicode.MARK),
        ("\u0000", 0),
        ("\ud800", 0),
    ],
)
def test_class(char: str, flags: int) -> None:
    assert CLASS[ord(char)] == flags


@pytest.mark.parametrize(
    ("char", "folded"),
    [("a", "a"), ("É", "e"), ("ǖ", "u"), ("İ", "i"), ("ß", "ß"), ("Й", "и"), ("가", "가"), ("日", "日"), ("٣", "٣")],
)
def test_fold(char: str, folded: str) -> None:
    assert chr(FOLD[ord(char)]) == folded


def test_marks_fold_to_nothing() -> None:
    assert FOLD[0x0301] == 0
    assert FOLD[0x0E31] == 0


def test_fold_is_stable() -> None:
    """Folding twice changes nothing, so texts folded at different times compare."""
    assert (FOLD[FOLD] == FOLD).all()


def test_tables_cover_unicode_and_cannot_be_written() -> None:
    assert (CLASS.dtype, FOLD.dtype) == (np.uint8, np.uint32)
    assert CLASS.shape == FOLD.shape == (0x110000,)
    assert not CLASS.flags.writeable
    assert not FOLD.flags.writeable


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_decode_reads_what_python_wrote(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    p, chars = 0, []
    while p < len(data):
        c, length = decode(data, p, len(data))
        assert decode_before(data, 0, p + length) == (c, p)
        chars.append(chr(c))
        p += length
    assert "".join(chars) == text


@settings(deadline=None)
@given(st.binary(min_size=1))
def test_any_bytes_stay_within_the_buffer_and_the_tables(raw: bytes) -> None:
    data = np.frombuffer(raw, np.uint8)
    for p in range(len(data)):
        c, length = decode(data, p, len(data))
        assert 0 <= c < 0x110000
        assert 1 <= length <= len(data) - p
