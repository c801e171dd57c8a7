"""Whole runs in which a model learns from the judge; the judge is a fake that likes one word of a text's."""

import json
import random
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.errors import JudgeError
from tests.curate.inline import run_inline
from tests.curate.runs import write_config
from tests.fake_llm import serve

GOOD, BAD = ["photosynthesis", "chlorophyll", "membrane", "lattice"], ["bargain", "casino", "discount", "jackpot"]
COMMON = ["the", "of", "and", "to", "in", "water", "light", "page", "time", "people", "number", "world", "area"]
DOCUMENTS = 400


def corpus(folder: Path) -> None:
    folder.mkdir(parents=True)
    chance = random.Random(1)
    for part in range(2):
        rows = []
        for n in range(DOCUMENTS // 2):
            own = GOOD if chance.random() < 0.5 else BAD
            words = chance.choices(COMMON, k=40) + chance.choices(own, k=8) + [f"n{part}x{n}"]
            chance.shuffle(words)
            rows.append({"text": " ".join(words)})
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def liked(body: dict[str, Any]) -> float:
    return 0.9 if any(word in body["prompt"] for word in GOOD) else 0.1


def run(folder: Path, fake: Any, **judge: Any) -> pl.DataFrame:
    config = write_config(
        folder, [{"source": "s", "uri": str(folder / "in"), "fields": {}}], measure=[], dedup=None,
        llm={"endpoint": fake.base_url}, judge=judge,
    )  # fmt: skip
    run_inline(config)
    return pl.read_parquet(sorted((folder / "work" / "ledger").glob("*.parquet")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus(tmp_path / "in")
    return tmp_path


def test_every_document_has_a_score_and_says_who_gave_it(folder: Path) -> None:
    keep = {"min": 0.5, "missing": {"not_sampled": "reject", "failed": "reject"}}
    with serve(score=liked) as fake:
        rows = run(folder, fake, max_documents=120, distil={}, keep=keep)
        asked = fake.asked
    [note] = json.loads((folder / "out" / "current" / "_manifest.json").read_text())["notes"][1:]
    assert re.search(r"learned from \d+ .* rank correlation .* 0\.8\d+ .* AUC (1\.000|0\.9)", note)
    sources = dict(rows["quality_source"].value_counts().iter_rows())
    assert sources == {"judge": 120, "distilled": DOCUMENTS - 120}
    assert asked == 120
    assert rows["quality"].null_count() == 0
    assert rows.filter(pl.col("quality_source") == "distilled")["quality_model"].str.contains("fasttext@").all()
    texts = "".join((folder / "in" / f"{n}.jsonl").read_text() for n in range(2)).splitlines()
    good = sum(any(word in text for word in GOOD) for text in texts)
    # It learned what the judge likes: what it lets through is what the judge would have.
    assert abs((rows["status"] == "kept").sum() - good) <= 0.02 * DOCUMENTS


def test_a_second_run_asks_nobody_and_publishes_the_same(folder: Path) -> None:
    with serve(score=liked) as fake:
        first = run(folder, fake, max_documents=120, distil={"ask_again": 20})
        asked = fake.asked
        again = run(folder, fake, max_documents=120, distil={"ask_again": 20})
        assert fake.asked == asked
    assert first.equals(again)


def test_the_judge_is_asked_again_about_those_nearest_to_the_bound(folder: Path) -> None:
    keep = {"min": 0.5, "missing": {"not_sampled": "reject", "failed": "reject"}}
    with serve(score=liked) as fake:
        rows = run(folder, fake, max_documents=120, distil={"ask_again": 0}, keep=keep)
        more = run(folder, fake, max_documents=120, distil={"ask_again": 30}, keep=keep)
    both = rows.filter(pl.col("quality_source") == "distilled").join(more, on="id", suffix="_more")
    asked = both.filter(pl.col("quality_source_more") == "judge")
    left = both.filter(pl.col("quality_source_more") == "distilled")
    assert len(asked) == 30
    assert (asked["quality"] - 0.5).abs().max() <= (left["quality"] - 0.5).abs().min()


def test_a_model_that_does_not_agree_is_refused_and_named(folder: Path) -> None:
    chance = random.Random(2)
    with (
        serve(score=lambda _: chance.uniform(0.1, 0.9)) as fake,
        pytest.raises(JudgeError, match=r"rank correlation.*judge\.distil\.min_agreement"),
    ):
        run(folder, fake, max_documents=120, distil={"min_agreement": 0.5})


def test_with_one_score_there_is_nothing_to_learn(folder: Path) -> None:
    with serve() as fake, pytest.raises(JudgeError, match=r"1 different scores.*judge\.max_documents"):
        run(folder, fake, max_documents=120, distil={})


def test_a_share_of_the_scores_is_over_judged_and_learned_ones(folder: Path) -> None:
    keep = {"keep_fraction": 0.25, "missing": {"not_sampled": "reject", "failed": "reject"}}
    with serve(score=liked) as fake:
        rows = run(folder, fake, max_documents=120, distil={}, keep=keep)
    kept, left = (rows.filter(pl.col("status") == status)["quality"] for status in ("kept", "rejected"))
    assert kept.min() > left.max()
    assert len(kept) >= DOCUMENTS // 4
