"""A model that learned from the packaged judge, beside the judge, on labelled damage of the reference corpus: a part of
`judge.py`.

A bad text is spam or shuffled words; copies are left out, as they leave a run before anything is judged.
"""

import argparse
import contextlib
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from curate import lineage
from curate.config import JudgeConfig, LlmConfig
from curate.judging.distil import Distilled, learn
from curate.judging.judge import judgements, rubrics
from curate.judging.metrics import Floats, auc, interval, spearman
from curate.llm.session import Llm
from tests.bench.corpus import corpus
from tests.bench.dedup_texts import texts
from tests.bench.figure import Figure, emit, note

CONFIG = JudgeConfig(max_tokens=200)
RUBRIC = rubrics(CONFIG)["quality"]
DIRTY = 0.2
GOOD, BAD = frozenset({"page", "personal"}), frozenset({"spam", "shuffled"})

EQUAL = (0.9, 0.95, 0.99)
"""Shares of decisions that are to be the judge's own."""


def labelled() -> tuple[list[str], Floats]:
    """The texts in an order that says nothing, and 1 for a good one, 0 for a bad one; float64[texts]."""
    truth = corpus(dirty=DIRTY).folder / "truth.jsonl"
    kinds = {row["url"]: row["kind"] for row in map(json.loads, truth.read_text("utf-8").splitlines())}
    rows = [row for file in texts(dirty=DIRTY).files() for row in file if kinds[row["url"]] in GOOD | BAD]
    random.Random(1).shuffle(rows)
    return [row["text"] for row in rows], np.array([float(kinds[row["url"]] in GOOD) for row in rows])


def judged(given: list[str], cache: Path) -> Floats:
    """The judge's scores, NaN where it gave none; float64[texts]."""
    with contextlib.closing(Llm(LlmConfig(), cache)) as llm:
        began = time.perf_counter()
        found = judgements(given, [lineage.text_hash(text) for text in given], RUBRIC, llm, CONFIG)
        note(f"{len(given)} texts judged in {time.perf_counter() - began:.0f} s, {llm.counts['prompt_tokens']} tokens")
    return np.array([np.nan if each.score.value is None else each.score.value for each in found])


def calls_saved(judge: Floats, model: Floats, learned_from: int, documents: int) -> None:
    """Of a corpus of `documents`, the share that the judge need not be asked about for the decisions to be its own.

    The bound is the judge's median. The model decides alone what is far from it, the judge what is near.
    """
    bound = float(np.median(judge))
    nearest = np.argsort(np.abs(model - bound), kind="stable")
    differs = ((model >= bound) != (judge >= bound))[nearest]
    wrong_beyond = differs[::-1].cumsum()[::-1] / len(differs)
    for equal in EQUAL:
        asked = int(np.argmax(np.append(wrong_beyond, 0.0) <= 1 - equal)) / len(differs)
        saved = 1 - min(1.0, asked + learned_from / documents)
        unit = f"share of {documents} documents that the judge is not asked about, {equal:.0%} of decisions its own"
        emit(Figure(f"distil.calls_saved.{equal:g}", saved, unit))
    note(f"the model alone decides {1 - wrong_beyond[0]:.3f} as the judge does")


def compare(judge: Floats, model: Floats, good: Floats) -> None:
    """AUC of both on the labels of the same texts."""
    each = list(range(len(good)))

    def further(places: Floats, labels: Floats) -> float:
        at = places.astype(np.int64)
        return auc(model[at], labels) - auc(judge[at], labels)

    theirs, mine = (interval(auc, scores, good, each) for scores in (judge, model))
    between = interval(further, np.arange(len(good), dtype=np.float64), good, each)
    note(f"AUC of the judge {theirs}, of the model {mine}, model - judge {between}")
    unit = f"on labelled damage, {len(good)} texts, the half of them bad"
    emit(Figure("distil.auc", mine.value or 0.0, unit, "the judge", theirs.value))
    emit(Figure("distil.auc_lost", -(between.value or 0.0), "AUC of the judge less that of the model", goal=0.03))


def distilled(args: argparse.Namespace, folder: Path) -> None:
    """Agreement with the judge, AUC beside the judge's, documents a second, and calls that are saved."""
    given, good = labelled()
    note(f"{len(given)} texts, {1 - good.mean():.3f} of them bad")
    as_corpus = np.arange(args.learn, args.learn + args.test)
    later = np.arange(args.learn + args.test, len(given))
    halves = np.concatenate([later[good[later] == label][: args.test // 2] for label in (0.0, 1.0)])
    places = np.concatenate([np.arange(args.learn), as_corpus, halves])
    scores = np.full(len(given), np.nan)
    scores[places] = judged([given[n] for n in places], folder / "cache")
    model = learned([(given[n], scores[n]) for n in range(args.learn)], folder)
    as_corpus, halves = (each[~np.isnan(scores[each])] for each in (as_corpus, halves))
    values = model.scores([given[n] for n in as_corpus])[0]
    emit(Figure("distil.agreement", spearman(values, scores[as_corpus]), "rank correlation with the judge"))
    compare(scores[halves], model.scores([given[n] for n in halves])[0], good[halves])
    many = given[: args.documents]
    began = time.process_time()
    model.scores(many)
    emit(Figure("distil.documents", len(many) / (time.process_time() - began), "documents/s a core"))
    calls_saved(scores[as_corpus], values, args.learn, len(given))


def learned(judged_texts: Sequence[tuple[str, float]], folder: Path) -> Distilled:
    """The model, from those that got a score."""
    known = [(text, score) for text, score in judged_texts if not np.isnan(score)]
    ids = [lineage.text_hash(text) for text, _ in known]
    began = time.perf_counter()
    found = learn([text for text, _ in known], np.array([score for _, score in known]), ids, seed=1, held_out=0.2)
    note(f"trained in {time.perf_counter() - began:.1f} s; held out: rank correlation {found.agreement.spearman}")
    (folder / "model.bin").write_bytes(found.model)
    return Distilled(folder / "model.bin", found.values)
