"""The judge on the packaged model: beside vLLM's own engine, from the cache, against labels; see docs/BENCHMARKS.md.

    python -m tests.bench.judge [--only NAME ...] [--learn N] [--test N] [--documents N]

NAME is one of share_of_engine, cached, auc, distilled. Real answers are asked for: 12 minutes on two cores.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from curate import lineage
from curate.config import JudgeConfig, LlmConfig
from curate.judging import gold
from curate.judging.evaluate import evaluate
from curate.judging.judge import judge, judgements, rubrics
from curate.llm import packaged
from curate.llm.session import Llm
from tests.bench.distil import distilled
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
        filled = [llm.documents.content(RUBRIC, text, CONFIG.max_tokens).made[0] for text in given]
        judgements(["A text to start with."], [b"0" * 16], RUBRIC, llm, CONFIG)
        began = time.perf_counter()
        found = judgements(given, [lineage.text_hash(text) for text in given], RUBRIC, llm, CONFIG)
        seconds = time.perf_counter() - began
    tokens = sum(answer.prompt_tokens or 0 for each in found for answer in each.answers)
    model = packaged.resolve(LlmConfig().model, None).path
    asked, figures = folder / "prompts.json", folder / "engine.json"
    asked.write_text(json.dumps({"prompts": filled, "choices": list(RUBRIC.choices)}))
    command = [sys.executable, "-m", "tests.bench.judge_engine", str(model), str(asked), str(figures)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"the engine ended with {ended.returncode}: {ended.stderr.strip().splitlines()[-3:]}")
    engine = json.loads(figures.read_text())
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


BENCHMARKS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "share_of_engine": share_of_engine, "cached": cached, "auc": auc, "distilled": distilled,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*BENCHMARKS], help="may be repeated; default: all")
    parser.add_argument("--learn", type=int, default=1_600, help="distilled: judged texts to learn from (%(default)s)")
    parser.add_argument(
        "--test", type=int, default=500, help="as many as in the corpus, and as many half bad (%(default)s)"
    )
    parser.add_argument("--documents", type=int, default=10_000, help="texts that the model scores (%(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as folder:
        for name in args.only or BENCHMARKS:
            BENCHMARKS[name](args, Path(folder))


if __name__ == "__main__":
    main()
