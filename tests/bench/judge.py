"""The judge on the packaged model: beside vLLM's own engine, from the cache, against labels; see docs/BENCHMARKS.md.

    python -m tests.bench.judge [--only NAME ...] [--budget N] [--documents N]

NAME is one of share_of_engine, cached, auc, distilled. Real answers are asked for, a few minutes each on two cores.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate import lineage
from curate.config import JudgeConfig, LlmConfig
from curate.judging import gold, metrics
from curate.judging.distil import Distilled, learn
from curate.judging.evaluate import evaluate
from curate.judging.judge import judge, judgements, rubrics
from curate.llm import packaged
from curate.llm.session import Llm
from tests.bench.dedup_texts import texts
from tests.bench.figure import Figure, emit, note
from tests.fake_llm import serve

PROMPTS, CACHED = 200, 20_000
CONFIG = JudgeConfig(max_tokens=512)
RUBRIC = rubrics(CONFIG)["quality"]


def share_of_engine(args: argparse.Namespace, folder: Path) -> None:
    """Prompt tokens a second through server, client and cache, over those of the offline engine on the same prompts."""
    del args
    given = [text.text for text in gold.load().texts][:PROMPTS]
    with contextlib.closing(Llm(LlmConfig(), folder / "cache")) as llm:
        filled = [RUBRIC.render(llm.documents.prepare(text, CONFIG.max_tokens).text) for text in given]
        judgements(["A text to start with."], [b"0" * 16], RUBRIC, llm, CONFIG)
        began = time.perf_counter()
        found = judgements(given, [lineage.text_hash(text) for text in given], RUBRIC, llm, CONFIG)
        seconds = time.perf_counter() - began
    tokens = sum(answer.prompt_tokens or 0 for each in found for answer in each.answers)
    model = packaged.resolve(LlmConfig().model, None).path
    (folder / "prompts.json").write_text(json.dumps({"prompts": filled, "choices": list(RUBRIC.choices)}))
    command = [sys.executable, "-m", "tests.bench.judge_engine", str(model), str(folder / "prompts.json")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"the engine ended with {ended.returncode}: {ended.stderr.strip().splitlines()[-3:]}")
    engine = json.loads(ended.stdout.splitlines()[-1])
    unit = f"prompt tokens/s over the engine's, {len(given)} texts, {tokens} tokens"
    theirs = engine["prompt_tokens"] / engine["seconds"]
    note(f"ours {seconds:.1f} s, the engine {engine['seconds']:.1f} s")
    emit(Figure("judge.share_of_engine", tokens / seconds / theirs, unit, goal=0.9))
    emit(Figure("judge.prompt_tokens", tokens / seconds, "a second", "vLLM's offline engine", theirs))


def cached(args: argparse.Namespace, folder: Path) -> None:
    """Documents a second when all answers are in the cache."""
    del args
    made = [f"Page {n}: {'some words of a text, ' * 60}" for n in range(CACHED)]
    ids = [lineage.document_id("s", str(n), b"") for n in range(CACHED)]
    table = pa.table({"id": ids, "text": made, "text_hash": [lineage.text_hash(text) for text in made]})
    with serve() as fake, contextlib.closing(Llm(LlmConfig(endpoint=fake.base_url), folder / "many")) as llm:
        judge(table, llm, CONFIG)
        asked = fake.asked
        began = time.perf_counter()
        judge(table, llm, CONFIG)
        seconds = time.perf_counter() - began
        if fake.asked != asked:
            sys.exit("a cached answer was asked for")
    emit(Figure("judge.cached", CACHED / seconds, "documents/s of 1.4 kB, one core", goal=5000))


def auc(args: argparse.Namespace, folder: Path) -> None:
    """How far the packaged model agrees with the shipped gold set."""
    del args
    with contextlib.closing(Llm(LlmConfig(), folder / "cache")) as llm:
        found = evaluate(RUBRIC, gold.load(), llm, CONFIG)
    for part, agreement in found.parts.items():
        note(f"{RUBRIC.name}@{RUBRIC.version} on {part}: AUC {agreement.auc}")
    held_out = found.parts["held_out"].auc
    emit(
        Figure("judge.auc", held_out.value or float("nan"), f"on the held-out part, [{held_out.low}, {held_out.high}]")
    )


def distilled(args: argparse.Namespace, folder: Path) -> None:
    """A model that learned from the judge, beside it, on labelled damage of the reference corpus."""
    given = texts(dirty=0.2)
    bad = {url for url, kind in given.kinds().items() if kind in ("spam", "shuffled")}
    rows = [row for file in given.files() for row in file]
    random.Random(1).shuffle(rows)
    judged, rest = rows[: args.budget], rows[args.budget :]
    asked = [row["text"] for row in judged]
    hashes = [lineage.text_hash(text) for text in asked]
    with contextlib.closing(Llm(LlmConfig(), folder / "cache")) as llm:
        began = time.perf_counter()
        found = judgements(asked, hashes, RUBRIC, llm, CONFIG)
        note(f"{args.budget} texts judged in {time.perf_counter() - began:.0f} s")
    known = [(row, each.score.value) for row, each in zip(judged, found, strict=True) if each.score.value is not None]
    scores = np.array([value for _, value in known])
    ids = [lineage.text_hash(row["text"]) for row, _ in known]
    began = time.perf_counter()
    learned = learn([row["text"] for row, _ in known], scores, ids, seed=1, held_out=0.2)
    note(f"trained in {time.perf_counter() - began:.1f} s; rank correlation {learned.agreement.spearman}")
    (folder / "model.bin").write_bytes(learned.model)
    model = Distilled(folder / "model.bin", learned.values)
    tested = rest[: args.documents]
    began = time.process_time()
    values, _ = model.scores([row["text"] for row in tested])
    seconds = time.process_time() - began
    good = np.array([row["url"] not in bad for row in tested], dtype=np.float64)
    judge_good = np.array([row["url"] not in bad for row, _ in known], dtype=np.float64)
    theirs = metrics.interval(metrics.auc, scores, judge_good, list(range(len(scores))))
    mine = metrics.interval(metrics.auc, values, good, list(range(len(values))))
    note(f"AUC of the judge on its sample {theirs}, of the model on {len(tested)} other texts {mine}")
    emit(
        Figure("distil.auc", mine.value or float("nan"), "on labelled damage", "the judge on its sample", theirs.value)
    )
    emit(Figure("distil.documents", len(tested) / seconds, "documents/s a core"))
    emit(
        Figure(
            "distil.calls_saved", 1 - len(judged) / len(rows), "share of the documents that no model was asked about"
        )
    )


BENCHMARKS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "share_of_engine": share_of_engine, "cached": cached, "auc": auc, "distilled": distilled,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*BENCHMARKS], help="may be repeated; default: all")
    parser.add_argument("--budget", type=int, default=800, help="texts that the judge is asked about (%(default)s)")
    parser.add_argument("--documents", type=int, default=10_000, help="texts scored by the model (%(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as folder:
        for name in args.only or BENCHMARKS:
            BENCHMARKS[name](args, Path(folder))


if __name__ == "__main__":
    main()
