import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.lineage import canonical, document_id, key, text_hash, uniform

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_key_does_not_depend_on_the_order_of_a_mapping(values: dict[str, object]) -> None:
    assert key(values) == key(dict(reversed(values.items())))


@given(JSON, JSON)
def test_equal_keys_mean_equal_parts(a: object, b: object) -> None:
    assert (key(a) == key(b)) == (canonical(a) == canonical(b))


def test_a_key_refuses_what_is_not_equal_to_itself() -> None:
    with pytest.raises(ValueError, match="JSON"):
        key(math.nan)


@given(st.tuples(st.text(), st.text(), st.binary()), st.tuples(st.text(), st.text(), st.binary()))
def test_ids_are_equal_for_equal_records_only(a: tuple[str, str, bytes], b: tuple[str, str, bytes]) -> None:
    assert (document_id(*a) == document_id(*b)) == (a == b)


def test_moving_bytes_between_the_fields_makes_another_document() -> None:
    assert document_id("ab", "c", b"d") != document_id("a", "bc", b"d") != document_id("a", "b", b"cd")


@given(st.text())
def test_hashes_have_128_bits(text: str) -> None:
    assert len(text_hash(text)) == len(document_id("s", "", text.encode())) == 16


def test_samples_for_different_purposes_are_independent() -> None:
    identities = [i.to_bytes(16, "big") for i in range(4000)]
    drawn = {p: {i for i in identities if uniform(1, i, p) < 2**63} for p in ("judge", "split")}
    assert all(1850 < len(sample) < 2150 for sample in drawn.values())
    assert 850 < len(drawn["judge"] & drawn["split"]) < 1150
