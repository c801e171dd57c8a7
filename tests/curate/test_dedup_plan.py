import numpy as np
import pytest

from curate import minhash
from curate.config import MinhashConfig
from curate.dedup_plan import false_candidates, plan, plans, similarities
from curate.shingles import Shingles
from tests.curate.test_minhash import packed

WORDS = [f"w{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400)]


def alike(count, seed=1):
    """Similarities of all pairs of a population: most share nothing, a few groups much."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 40, count)
    values = np.where(group[:, None] == group, rng.uniform(0.3, 0.74, (count, count)), 0.0)
    upper = np.triu(values, 1)
    return upper + upper.T


@pytest.mark.parametrize("preset", ["fineweb", "nemo", "dolma3"])
def test_a_plan_is_the_curve_of_its_parameters(preset):
    config = MinhashConfig(preset=preset)
    made = plan(config)
    assert made.threshold == minhash.threshold(config.bands, config.rows)
    assert made.curve == {s: minhash.probability(s, config.bands, config.rows) for s in made.curve}
    assert made.missed_at_bound == pytest.approx(1 - made.curve[0.75])
    assert made.key_bytes == 8 * config.bands
    assert list(made.curve) == [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def test_a_sample_that_is_the_corpus_gives_the_sum_over_its_pairs():
    jaccard = alike(50)
    found = false_candidates(jaccard, MinhashConfig(min_similarity=0.6), 50)
    pairs = jaccard[np.triu_indices(50, 1)]
    expected = sum(minhash.probability(s, 14, 8) for s in pairs if s < 0.6)
    assert found.expected == pytest.approx(expected)
    assert found.alike == (pairs >= 0.6).sum()
    assert found.at_most > found.expected + found.standard_error


def test_false_candidates_grow_with_the_square_of_the_documents():
    few, many = (false_candidates(alike(50), MinhashConfig(), number) for number in (1001, 10_001))
    assert many.expected / few.expected == pytest.approx(10_001 * 10_000 / (1001 * 1000))


def test_a_sample_without_a_false_candidate_still_gives_a_bound():
    found = false_candidates(np.zeros((100, 100)), MinhashConfig(), 10_000)
    assert (found.expected, found.standard_error) == (0.0, 0.0)
    assert found.at_most == pytest.approx(3 / 4950 * minhash.probability(0.75, 14, 8) * 10_000 * 9999 / 2)


def test_the_standard_error_is_that_of_drawing_other_documents():
    population, rng = alike(600), np.random.default_rng(3)
    drawn = [rng.choice(600, 40, replace=False) for _ in range(400)]
    found = [false_candidates(population[np.ix_(chosen, chosen)], MinhashConfig(), 600) for chosen in drawn]
    spread = np.std([f.expected for f in found])
    assert 0.8 < np.sqrt(np.mean([f.standard_error**2 for f in found])) / spread < 1.4
    truth = false_candidates(population, MinhashConfig(), 600).expected
    assert np.mean([f.at_most >= truth for f in found]) > 0.95


def test_all_pairs_are_compared_exactly():
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(WORDS[:12], 15)) for _ in range(8)] + ["", "..."]
    shingles = Shingles(size=1)
    found = similarities(*packed(texts), shingles)
    sets = [set(text.split()) - {"..."} for text in texts]
    expected = [[len(a & b) / max(len(a | b), 1) * (i != j) for j, b in enumerate(sets)] for i, a in enumerate(sets)]
    np.testing.assert_allclose(found, expected)


def test_plans_compare_a_sample_by_each_columns_own_shingles():
    rng = np.random.default_rng(4)
    buffers = packed([" ".join(rng.choice(WORDS, 80)) for _ in range(12)])
    sections = {name: MinhashConfig(preset=name) for name in ("fineweb", "dolma3")}
    found = plans(sections, buffers, 1000)
    for name, section in sections.items():
        shingles = Shingles(section.shingle.unit, section.shingle.size)
        assert found[name].false_candidates == false_candidates(similarities(*buffers, shingles), section, 1000)


@pytest.mark.parametrize("buffers", [None, packed([]), packed(["one text"])])
def test_without_a_pair_nothing_is_estimated(buffers):
    assert plans({"a": MinhashConfig()}, buffers)["a"].false_candidates is None
    with pytest.raises(ValueError, match="got 1 documents, expected 2 or more"):
        false_candidates(np.zeros((1, 1)), MinhashConfig(), 10)
