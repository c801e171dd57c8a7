"""Evaluations of judges as tables for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Evaluation = Any
"""A `curate.judging.evaluation.Evaluation`; its module needs more than a command that is not run."""

METRICS = {
    "AUC": "auc", "Spearman": "spearman", "weighted kappa": "kappa", "calibration error": "calibration_error",
    "  calibrated": "calibrated_error",
}  # fmt: skip
SLICES = {"kind, against all good": "by_kind", "language": "by_language", "characters": "by_length"}


def one(evaluation: Evaluation) -> str:
    """Everything of one, a column a part; intervals are of 95 %."""
    parts = evaluation.parts
    lines = [("", *(f"{part}, {sum(each.statuses.values())} texts" for part, each in parts.items()))]
    lines += [(name, *(str(getattr(each, field)) for each in parts.values())) for name, field in METRICS.items()]
    for title, field in SLICES.items():
        lines.append((f"AUC by {title}", *("" for _ in parts)))
        names = dict.fromkeys(name for each in parts.values() for name in getattr(each, field))
        lines += [(f"  {name}", *(_slice(getattr(each, field).get(name)) for each in parts.values())) for name in names]
    return "\n".join([f"{_name(evaluation)} on gold set {evaluation.gold[:12]}", _aligned(lines), *_notes(evaluation)])


def ranked(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The best on `choose` first; of a set without that part, the best on what it has."""
    return sorted(evaluations, key=lambda each: -(_chosen_by(each).auc.value or 0.0))


def side_by_side(evaluations: Sequence[Evaluation]) -> str:
    """A line each, in their order."""
    parts = dict.fromkeys(part for each in evaluations for part in each.parts)
    lines = [("", *(f"AUC on {part}" for part in parts), "calibration error", "tokens a text")]
    for each in evaluations:
        aucs = (str(each.parts[part].auc) if part in each.parts else "-" for part in parts)
        lines.append((_name(each), *aucs, str(_chosen_by(each).calibration_error), _tokens(each)))
    return _aligned(lines)


def _chosen_by(evaluation: Evaluation) -> Any:
    return evaluation.parts.get("choose", evaluation.agreement)


def _name(evaluation: Evaluation) -> str:
    rubric = f"{evaluation.rubric}@{evaluation.version}"
    return f"{rubric} by {evaluation.model}@{evaluation.revision or 'unknown'}, {evaluation.max_tokens} tokens"


def _slice(found: Any) -> str:
    return f"{found.auc} ({found.texts:,})" if found else "-"


def _tokens(evaluation: Evaluation) -> str:
    if evaluation.prompt_tokens is None:
        return "-"
    return f"{evaluation.prompt_tokens:,.0f} + {evaluation.completion_tokens or 0:,.0f}"


def _notes(evaluation: Evaluation) -> Iterator[str]:
    yield f"tokens a text, prompt + answer: {_tokens(evaluation)}"
    statuses: Mapping[str, int] = {}
    for each in evaluation.parts.values():
        statuses = {name: statuses.get(name, 0) + each.statuses.get(name, 0) for name in {*statuses, *each.statuses}}
    if set(statuses) != {"scored"}:
        yield "became of the texts: " + ", ".join(f"{number} {name}" for name, number in sorted(statuses.items()))
    if evaluation.calibration:
        yield f"calibration: {len(evaluation.calibration.scores)} knots, fitted on choose"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines
    )
