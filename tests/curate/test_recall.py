"""What share of pairs at an exact similarity is found, against the S-curve that the parameters promise."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from curate import minhash
from curate.shingles import Shingles
from tests.curate.inline import run_inline
from tests.curate.planted import SIZE, STEPS, Planted, interval, planted
from tests.curate.runs import write_config

PAIRS = 2_000
"""A step."""

SEEDS = 20
ERROR = 0.0005
PARAMETERS = [(14, 8), (20, 13)]
"""Bands and rows: FineWeb's, and the defaults of NeMo Curator 1.4.0."""


@pytest.fixture(scope="module")
def pairs() -> Planted:
    return planted(PAIRS)


def test_planted_pairs_have_the_similarity_they_claim(pairs: Planted) -> None:
    numbers = np.arange(len(pairs.texts)).reshape(-1, 2)
    sets = minhash.shingle_sets(pairs.texts.reshape(-1), pairs.offsets, Shingles(size=SIZE))
    assert (minhash.overlaps(*sets, numbers).jaccard == pairs.similarity).all()
    for n in range(0, len(numbers), 977):
        words = [bytes(pairs.texts[i]).decode().rstrip(".").split() for i in numbers[n]]
        a, b = ({tuple(w[i : i + SIZE]) for i in range(len(w) - SIZE + 1)} for w in words)
        assert len(a & b) / len(a | b) == pairs.similarity[n]


@pytest.mark.parametrize(("bands", "rows"), PARAMETERS)
def test_share_found_is_what_the_curve_promises_at_every_step(pairs: Planted, bands: int, rows: int) -> None:
    """Over 20 hash seeds together: 10 comparisons for each of two parameter sets, so that a right implementation
    fails one of the 20 with probability 1 - .9995^20 = 1 %; seeds and pairs are fixed. Of the 200 by single seed, 3
    outside have the probability 2e-4.
    """
    found = np.stack([_found(pairs, bands, rows, seed) for seed in range(SEEDS)])
    outside = 0
    for step in range(len(STEPS) - 1):
        here = pairs.step == step
        least, most = interval(pairs.similarity[here], bands, rows, SEEDS, ERROR)
        assert least <= found[:, here].sum() <= most, f"[{STEPS[step]:.2f}, {STEPS[step + 1]:.2f}"
        least, most = interval(pairs.similarity[here], bands, rows, 1, ERROR)
        each = found[:, here].sum(axis=1)
        outside += int(((each < least) | (each > most)).sum())
    assert outside < 3


def _found(pairs: Planted, bands: int, rows: int, seed: int) -> npt.NDArray[np.bool_]:
    """Whether each pair shares a band key."""
    a, b = minhash.permutations(bands * rows, seed)
    minima, _ = minhash.text_signatures(pairs.texts.reshape(-1), pairs.offsets, a, b, Shingles(size=SIZE))
    keys = minhash.band_keys(minima, bands, rows)
    return (keys[0::2] == keys[1::2]).any(axis=1)


def test_a_run_finds_the_promised_share_and_nothing_else(tmp_path: Path, pairs: Planted) -> None:
    """All edges of a run at a bound below every planted pair: 10 comparisons."""
    lines = [json.dumps({"id": n, "text": bytes(text).decode(), "lang": "en"}) for n, text in enumerate(pairs.texts)]
    (tmp_path / "planted.jsonl").write_text("\n".join(lines))
    source = {"source": "planted", "uri": str(tmp_path / "planted.jsonl"), "fields": {"id": "id", "lang": "lang"}}
    run_inline(write_config(tmp_path, [source], measure=[], dedup={"minhash": {"min_similarity": 0.5}}))
    text_of = _rows(tmp_path, "documents", ["text_hash", "text"])
    number = {text.rstrip(". "): n // 2 for n, text in enumerate(bytes(t).decode() for t in pairs.texts)}
    pair_of = {h: number[text.rstrip(".")] for h, text in text_of.iter_rows()}
    edges = _rows(tmp_path, "edges", ["a", "b", "similarity"])
    found = np.zeros(len(pairs.similarity), np.int64)
    for a, b, similarity in edges.iter_rows():
        assert pair_of[a] == pair_of[b]
        assert similarity == pairs.similarity[pair_of[a]]
        found[pair_of[a]] += 1
    assert found.max() == 1
    for step in range(len(STEPS) - 1):
        here = pairs.step == step
        least, most = interval(pairs.similarity[here], 14, 8, 1, ERROR)
        assert least <= found[here].sum() <= most, f"[{STEPS[step]:.2f}, {STEPS[step + 1]:.2f}"


def _rows(folder: Path, kind: str, columns: list[str]) -> pl.DataFrame:
    files = sorted((folder / "work" / "stages").glob(f"*/*/{kind}-*.parquet"))
    return pl.concat([pl.read_parquet(file, columns=columns) for file in files])
