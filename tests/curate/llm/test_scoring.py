import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.llm.answers import Answer
from curate.llm.scoring import FAILURES, Score, score

CHOICES = {" bad": 0.0, " fair": 2.0, " good": 5.0}
LOGPROBS = st.floats(-30.0, -0.01)


def answered(logprobs: dict[str, float], text: str = " good") -> Answer:
    return Answer("ok", text, logprobs)


def test_equal_chances_give_the_mean_and_the_full_entropy() -> None:
    found = score(answered(dict.fromkeys(CHOICES, -1.0)), CHOICES)
    assert found.value == pytest.approx(7 / 3)
    assert found.entropy_bits == pytest.approx(math.log2(3))


def test_a_sure_answer_is_its_value() -> None:
    found = score(answered({" bad": -9999.0, " fair": -9999.0, " good": 0.0}), CHOICES)
    assert found == Score("scored", 5.0, 0.0)


@given(st.tuples(LOGPROBS, LOGPROBS, LOGPROBS), st.floats(0.0, 20.0))
def test_the_score_is_within_the_values_and_knows_no_common_factor(shape: tuple[float, ...], shift: float) -> None:
    logprobs = dict(zip(CHOICES, shape, strict=True))
    found = score(answered(logprobs), CHOICES)
    shifted = score(answered({name: p - shift for name, p in logprobs.items()}), CHOICES)
    assert found.value is not None
    assert found.entropy_bits is not None
    assert 0.0 <= found.value <= 5.0
    assert 0.0 <= found.entropy_bits <= math.log2(3) + 1e-9
    assert shifted.value == pytest.approx(found.value, abs=1e-9)


@given(st.dictionaries(st.sampled_from([" ", " g", "good", " go", "x"]), LOGPROBS))
def test_pieces_of_choices_change_nothing(pieces: dict[str, float]) -> None:
    logprobs = {" bad": -1.0, " fair": -2.0, " good": -0.5}
    assert score(answered(pieces | logprobs), CHOICES) == score(answered(logprobs), CHOICES)


@pytest.mark.parametrize("text", [" 7", "5", "4.5/5", " good!", "-1", "nan", "", " Good", "bad"])
def test_an_answer_outside_the_choices_has_no_value(text: str) -> None:
    assert score(answered(dict.fromkeys(CHOICES, -1.0), text), CHOICES) == Score("unparsable")


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5, None])
def test_a_log_probability_that_is_none_has_no_value(value: float | None) -> None:
    logprobs = {" bad": -1.0, " fair": value, " good": -0.5}
    assert score(answered(logprobs), CHOICES) == Score("unparsable")  # type: ignore[arg-type]


def test_no_mass_on_any_choice_has_no_value() -> None:
    assert score(answered(dict.fromkeys(CHOICES, -math.inf)), CHOICES) == Score("unparsable")


def test_a_missing_choice_has_no_value() -> None:
    assert score(answered({" bad": -1.0, " good": -0.5}), CHOICES) == Score("unparsable")


@pytest.mark.parametrize("status", FAILURES)
def test_a_failure_keeps_its_status(status: str) -> None:
    assert score(Answer(status, " good", {" good": -0.1}), CHOICES) == Score(status)  # type: ignore[arg-type]
