"""A model that learns from a judge's scores: what it can tell apart, and that the same texts make the same model."""

from pathlib import Path

import numpy as np
import pytest

from curate.judging.distil import BINS, Distilled, learn
from curate.lineage import text_hash

WORDS = {0.0: "cheap watches buy now", 0.25: "home menu login cart", 1.0: "the theorem follows by induction"}


def judged(shares: dict[float, float], number: int = 200) -> tuple[list[str], list[float]]:
    """Texts whose words say their score, and the scores."""
    scores = [score for score, share in shares.items() for _ in range(round(share * number))]
    return [f"{WORDS[score]} number{n % 7}" for n, score in enumerate(scores)], scores


@pytest.mark.parametrize(
    "shares",
    [
        {0.0: 0.9, 0.25: 0.05, 1.0: 0.05},
        {0.0: 0.05, 0.25: 0.05, 1.0: 0.9},
        {0.0: 0.05, 0.25: 0.9, 1.0: 0.05},
        {0.0: 0.34, 0.25: 0.33, 1.0: 0.33},
    ],
)
def test_no_score_is_lost_for_being_rare_or_common(tmp_path: Path, shares: dict[float, float]) -> None:
    texts, scores = judged(shares)
    learned = learn(texts, np.array(scores), [text_hash(f"{n}") for n in range(len(texts))], seed=1, held_out=0.2)
    assert learned.values == tuple(sorted(shares))
    (tmp_path / "model.bin").write_bytes(learned.model)
    values, entropy = Distilled(tmp_path / "model.bin", learned.values).scores(list(WORDS.values()))
    assert values[0] <= values[2]
    assert np.all((values >= 0.0) & (values <= 1.0))
    assert np.all((entropy >= 0.0) & (entropy <= np.log2(len(shares)) + 1e-6))


def test_the_order_of_the_texts_makes_no_difference() -> None:
    texts, scores = judged({0.0: 0.4, 1.0: 0.6}, 60)
    ids = [text_hash(f"{n}") for n in range(len(texts))]
    turned = [list(reversed(each)) for each in (texts, scores, ids)]
    one = learn(texts, np.array(scores), ids, seed=1, held_out=0.2)
    assert one == learn(turned[0], np.array(turned[1]), turned[2], seed=1, held_out=0.2)  # type: ignore[arg-type]


def test_many_scores_become_bins_with_their_means() -> None:
    scores = np.linspace(0.0, 1.0, 400)
    texts = [f"{WORDS[1.0] if score > 0.5 else WORDS[0.0]} {n}" for n, score in enumerate(scores)]
    learned = learn(texts, scores, [text_hash(text) for text in texts], seed=1, held_out=0.2)
    assert len(learned.values) == BINS
    assert list(learned.values) == sorted(learned.values)


@pytest.mark.parametrize("scores", [[], [0.5], [0.5] * 50])
def test_nothing_to_learn_from_is_said(scores: list[float]) -> None:
    texts = [f"text {n}" for n in range(len(scores))]
    with pytest.raises(ValueError, match="different scores"):
        learn(texts, np.array(scores), [text_hash(text) for text in texts], seed=1, held_out=0.2)
