"""Tiny real fastText classifiers for tests: trained within a second, the same bytes each time."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import fasttext

from curate.config import RunConfig
from curate.sample import measured_sample

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests/data/sample"


def trained(path: Path, labelled: Iterable[tuple[str, str]], **options: Any) -> Path:
    """A model of (label, text) pairs at `path`; one thread and a seed, so that its weights are always the same."""
    lines = path.with_suffix(".txt")
    lines.parent.mkdir(parents=True, exist_ok=True)
    lines.write_text("".join(f"__label__{label} {' '.join(text.split())}\n" for label, text in labelled), "utf-8")
    settings = {"dim": 8, "epoch": 25, "lr": 1.0, "wordNgrams": 2, "bucket": 5000, "thread": 1, "seed": 1, "verbose": 0}
    fasttext.train_supervised(str(lines), **{**settings, **options}).save_model(str(path))
    return path


@cache
def sample_by_kind() -> list[tuple[str, str]]:
    """(kind, text) of the English documents in the sample's WARC files."""
    config = RunConfig.model_validate({
        "name": "texts", "inputs": [{"source": "sample", "uri": str(SAMPLE / "warc"), "format": "warc"}],
        "output": "out", "work": "work", "measure": [],
    })  # fmt: skip
    documents = measured_sample(config, 10_000).documents
    truth = map(json.loads, (SAMPLE / "truth.jsonl").read_text("utf-8").splitlines())
    kinds = {each["url"]: each["kind"] for each in truth if each["lang"] == "en"}
    rows = documents.select(["url", "text"]).to_pylist()
    return [(kinds[row["url"]], row["text"]) for row in rows if row["url"] in kinds]


def quality(path: Path) -> Path:
    """Labels as DCLM's model: `hq` are the sample's English pages, `cc` its spam and its shuffled pages."""
    labels = {"page": "hq", "spam": "cc", "shuffled": "cc"}
    return trained(path, [(labels[kind], text) for kind, text in sample_by_kind() if kind in labels])
