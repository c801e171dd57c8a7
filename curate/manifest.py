"""What a published version says of itself: what it depends on, what became of its input, what its reader must know."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from curate.config import RunConfig
from curate.decisions import columns_of
from curate.judging import evaluation
from curate.judging.judge import QUALITY, rubrics
from curate.ledger import Counts
from curate.llm import prompts
from curate.llm.session import Llm
from curate.reports import card
from curate.stages import arrange, dedup, distil, extract, judge, lines, measure, publish, resolve, rewrite, select
from curate.text import language

STAGES = {
    "extract": extract, "lines": lines, "rewrite": rewrite, "measure": measure, "dedup": dedup, "select": select,
    "judge": judge, "distil": distil, "resolve": resolve, "publish": publish,
}  # fmt: skip


def manifest(
    config: RunConfig, counts: Counts, missing: Sequence[dict[str, Any]], notes: Sequence[str]
) -> dict[str, Any]:
    """Of a version of this config; no name, place or time. `missing`: what failed, by content."""
    return {
        "name": config.name,
        "config": config.identity(),
        "code": {"curate": card.package_version(), **{name: stage.VERSION for name, stage in STAGES.items()}},
        "models": _models(config),
        "measures": list(columns_of(config)),
        "counts": asdict(counts),
        "missing": sorted(missing, key=repr),
        "notes": list(notes),
    }


def notes(config: RunConfig, learned: str | None, failures: int) -> list[str]:
    """What a reader of the data must know. `learned`: distil.note; `failures`: splits or objects."""
    found = []
    if config.judge and config.llm:
        identity = Llm.identity_of(config.llm)
        found = [
            evaluation.note(config.judge, name, rubric, identity) for name, rubric in rubrics(config.judge).items()
        ]
    if learned:
        found.append(learned)
    if config.llm_disabled:
        found.append("Run with --no-llm: no judge, no synthesis, and every bound on a score removed.")
    if failures:
        found.append(f"Partial: {failures} splits or objects failed; `_manifest.json` lists them.")
    return found


def _models(config: RunConfig) -> dict[str, str | None]:
    """Every model, prompt and tokenizer by its content; further rubrics by their columns."""
    asked = rubrics(config.judge) if config.judge else {}
    further = {column: rubric.hash for column, rubric in asked.items() if column != QUALITY}
    return {
        "language": language.model_hash(config.extract.language.model),
        "llm": str(Llm.identity_of(config.llm)) if config.llm else None,
        "judge": asked[QUALITY].hash if asked else None,
        **further,
        "evaluation": evaluation.content(config.judge) if config.judge else None,
        "synthesize": prompts.load(config.synthesize.prompt, "synthesis").hash if config.synthesize else None,
        "tokenizer": arrange.tokenizer_hash(config.publish),
    }
