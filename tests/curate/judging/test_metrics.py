import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging import metrics

GRADES = (0.0, 0.25, 0.5, 0.75, 1.0)
shares = st.one_of(st.sampled_from(GRADES), st.floats(0.0, 1.0, width=32))
judged = st.lists(st.tuples(shares, st.sampled_from(GRADES)), min_size=1, max_size=30)
Pairs = list[tuple[float, float]]


def arrays(pairs: Pairs) -> tuple[metrics.Floats, metrics.Floats]:
    scores, labels = zip(*pairs, strict=True)
    return np.array(scores), np.array(labels)


def plain_auc(pairs: Pairs) -> float:
    good = [score for score, label in pairs if label >= 0.5]
    bad = [score for score, label in pairs if label < 0.5]
    wins = [1.0 if g > b else 0.5 if g == b else 0.0 for g, b in product(good, bad)]
    return sum(wins) / len(wins) if wins else math.nan


def plain_spearman(pairs: Pairs) -> float:
    def ranks(values: Sequence[float]) -> list[float]:
        return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]

    a, b = (ranks(values) for values in zip(*pairs, strict=True))
    mean = (len(pairs) + 1) / 2
    spread = [math.sqrt(sum((x - mean) ** 2 for x in each)) for each in (a, b)]
    return (
        sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True)) / math.prod(spread) if all(spread) else math.nan
    )


def plain_kappa(pairs: Pairs) -> float:
    def nearest(value: float) -> float:
        return min(GRADES, key=lambda grade: (abs(grade - value), grade))

    binned = [(nearest(score), nearest(label)) for score, label in pairs]
    seen = sum((score - label) ** 2 for score, label in binned) / len(binned)
    chance = sum((a - b) ** 2 for (a, _), (_, b) in product(binned, binned)) / len(binned) ** 2
    return 1 - seen / chance if chance > 1e-12 else math.nan


def plain_error(pairs: Pairs) -> float:
    bins: dict[int, Pairs] = {}
    for score, label in pairs:
        bins.setdefault(min(9, int(score * 10)), []).append((score, label))
    return sum(abs(sum(s for s, _ in each) - sum(w for _, w in each)) for each in bins.values()) / len(pairs)


@pytest.mark.parametrize(("metric", "plain"), [
    (metrics.auc, plain_auc), (metrics.spearman, plain_spearman), (metrics.calibration_error, plain_error),
    (lambda scores, labels: metrics.weighted_kappa(scores, labels, GRADES), plain_kappa),
])  # fmt: skip
@given(pairs=judged)
def test_a_metric_is_its_plain_definition(
    metric: metrics.Metric, plain: Callable[[Pairs], float], pairs: Pairs
) -> None:
    assert metric(*arrays(pairs)) == pytest.approx(plain(pairs), abs=1e-9, nan_ok=True)


@given(pairs=judged)
def test_auc_of_scores_turned_round_is_the_rest(pairs: Pairs) -> None:
    scores, labels = arrays(pairs)
    assert metrics.auc(-scores, labels) == pytest.approx(1 - metrics.auc(scores, labels), nan_ok=True)


@pytest.mark.parametrize("metric", [metrics.auc, metrics.spearman, metrics.calibration_error])
def test_an_interval_holds_its_value_and_is_the_same_again(metric: metrics.Metric) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 200).astype(float)
    scores = np.clip(labels * 0.3 + rng.uniform(0, 0.7, 200), 0, 1)
    groups = (np.arange(200) // 2).tolist()
    found = metrics.interval(metric, scores, labels, groups)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert found == metrics.interval(metric, scores, labels, groups)
    assert found != metrics.interval(metric, scores, labels, groups, seed=1)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(40):
        labels = np.repeat([0.0, 1.0], 40)
        scores = rng.normal(labels, 1.0)
        found = metrics.interval(metrics.auc, scores, labels, range(80), draws=100)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.760 <= found.high  # Phi(1 / sqrt 2)
    assert hits >= 33


def test_copies_of_one_text_in_a_group_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 2, 60).astype(float)
    scores = rng.normal(labels, 1.0)
    once = metrics.interval(metrics.auc, scores, labels, range(60))
    often = metrics.interval(metrics.auc, np.repeat(scores, 5), np.repeat(labels, 5), np.repeat(range(60), 5).tolist())
    assert (often.low, often.high) == (once.low, once.high)


@pytest.mark.parametrize(("labels", "groups", "has_value"), [
    ([1.0, 1.0, 1.0], [1, 2, 3], False),   # no bad text
    ([0.0, 1.0, 1.0], [1, 1, 1], True),    # one group
])  # fmt: skip
def test_what_cannot_be_said_is_none(labels: list[float], groups: list[int], *, has_value: bool) -> None:
    found = metrics.interval(metrics.auc, np.array([0.1, 0.2, 0.3]), np.array(labels), groups)
    assert (found.value is not None) == has_value
    assert found.low is None
    assert found.high is None


@given(pairs=judged)
def test_isotonic_rises_and_no_rising_step_function_fits_better(pairs: Pairs) -> None:
    scores, labels = arrays(pairs)
    at, worth = metrics.isotonic(scores, labels)
    assert np.all(np.diff(at) > 0)
    assert np.all(np.diff(worth) >= -1e-12)
    fitted = np.interp(scores, at, worth)
    # Of a best fit among rising functions: residuals sum to 0 and lean towards no other rising function.
    assert float((labels - fitted).sum()) == pytest.approx(0.0, abs=1e-9)
    for bound in np.unique(scores):
        assert float((labels - fitted)[scores >= bound].sum()) <= 1e-9
