import numpy as np
import pytest

from curate import minhash
from curate.saturation import distinct_shingles, repertory, saturated
from curate.shingles import Shingles
from tests.curate.test_minhash import packed

DOLMA3, NEMO, FINEWEB = Shingles("characters", 5), Shingles("characters", 24), Shingles()


def random_text(seed, length, letters):
    """A stream of letters without spaces, as of a script with as many."""
    rng = np.random.default_rng(seed)
    return "".join(map(chr, rng.choice(letters, length)))


LATIN = np.arange(97, 106)
HAN = np.arange(0x4E00, 0x5600)


def said_of(text, shingles):
    minima, num_shingles = minhash.text_signatures(*packed([text]), *minhash.permutations(112, 1), shingles)
    return bool(saturated(minima, num_shingles, shingles)[0])


@pytest.mark.parametrize("number", [1, 10, 1000, 100_000])
def test_the_signature_tells_how_many_distinct_shingles_there_are(number):
    hashes = np.random.default_rng(number).integers(0, 2**64, number, np.uint64)
    minima = minhash.signatures(hashes, np.array([0, number, number]), *minhash.permutations(1000, 1))
    estimated = distinct_shingles(minima)
    assert estimated[0] == pytest.approx(number, rel=4 / 998**0.5)
    assert estimated[1] == 0.0


def test_unrelated_texts_that_are_saturated_are_alike_and_others_are_not():
    texts = [random_text(seed, 400_000, LATIN) for seed in (1, 2)]
    for shingles, long_enough in ((DOLMA3, True), (NEMO, False)):
        [similarity] = minhash.overlaps(*minhash.shingle_sets(*packed(texts), shingles), np.array([[0, 1]])).jaccard
        assert bool(similarity > 1 / 3) is long_enough
        assert [said_of(text, shingles) for text in texts] == [long_enough] * 2


@pytest.mark.parametrize(
    "text",
    ["", "a", random_text(3, 20_000, LATIN), random_text(3, 1000, LATIN) * 400, random_text(3, 200_000, HAN)],
    ids=["empty", "one letter", "short", "repeats itself", "a script with more characters"],
)
def test_texts_that_do_not_exhaust_their_language_are_not_saturated(text):
    assert not said_of(text, DOLMA3)


def test_longer_shingles_saturate_later():
    for unit in ("words", "characters"):
        bounds = [repertory(Shingles(unit, size)) for size in range(1, 65)]
        assert bounds == sorted(bounds)
    assert repertory(FINEWEB) > 10**12
    assert repertory(NEMO) > 10**12
    assert 20_000 < repertory(DOLMA3) < 50_000
