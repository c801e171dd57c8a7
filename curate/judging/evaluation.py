"""What a rubric and a model were measured to be worth, as a file; and whether it speaks of the judge that a run asks.

`curate judge eval --save FILE` writes the file, `judge.evaluation` names it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from curate import lineage
from curate.config import JudgeConfig
from curate.config.values import Sees, Strict
from curate.errors import ConfigError
from curate.judging.calibration import Calibration
from curate.judging.gold import Part
from curate.judging.gold import load as load_gold
from curate.judging.metrics import Interval
from curate.llm.prompts import Prompt
from curate.llm.session import UNKNOWN, Identity


class Slice(Strict):
    """AUC over some of a part's texts."""

    texts: int
    auc: Interval


class Agreement(Strict):
    """Agreement of scores with labels on one part of a gold set, over the texts that got a score."""

    statuses: Mapping[str, int]
    """Texts by what became of the question: `scored` or a failure's name."""

    auc: Interval
    spearman: Interval
    kappa: Interval
    """Weighted by squares, labels and scores at the nearest of the rubric's choices."""

    calibration_error: Interval
    """Of the raw score, put on 0..1 by the rubric's lowest and highest choice."""

    calibrated_error: Interval
    """The same of the calibrated score; not on `choose`, to which it was fitted."""

    by_language: Mapping[str, Slice]
    by_length: Mapping[str, Slice]
    """By characters of the text."""

    by_kind: Mapping[str, Slice]
    """The bad texts of a kind against all good ones."""


class Evaluation(Strict):
    """A rubric asked of a model about a gold set."""

    gold: str
    """`Gold.hash`."""

    prompt: str
    """`Prompt.hash`."""

    rubric: str
    version: int
    model: str
    revision: str | None
    max_tokens: int
    sees: Sees
    parts: Mapping[Part, Agreement]
    """Those that the gold set has."""

    prompt_tokens: float | None
    """A text, by the server's count; None where it does not say."""

    completion_tokens: float | None
    calibration: Calibration | None
    """Fitted on `choose`; None where the set has no such part."""

    @property
    def agreement(self) -> Agreement:
        """On the held-out part where there is one."""
        return self.parts["held_out" if "held_out" in self.parts else "choose"]


class File(Strict):
    """What is written."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    evaluations: Annotated[tuple[Evaluation, ...], Field(min_length=1)]


def save(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write them, over what was there."""
    whole = File(evaluations=tuple(evaluations)).model_dump_json(by_alias=True, indent=1)
    path.write_text(whole + "\n", encoding="utf-8")


def load(path: Path) -> tuple[Evaluation, ...]:
    """Raises ConfigError."""
    try:
        return File.model_validate_json(path.read_bytes()).evaluations
    except OSError as error:
        raise ConfigError(f"judge.evaluation: {path}: {error.strerror}; `curate judge eval --save` writes it") from None
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(
            f"judge.evaluation: {path}: {where}: {first['msg']}; expected what `curate judge eval --save` wrote"
        ) from None


def standing(config: JudgeConfig, rubric: Prompt, identity: Identity) -> Evaluation | str:
    """The evaluation that is of this judge as the run asks it; else why there is none. Raises ConfigError."""
    if config.evaluation is None:
        return "no evaluation was given (judge.evaluation)"
    if identity.revision is None or identity.revision.startswith(UNKNOWN):
        return "the model's revision is not known (llm.revision)"
    gold_hash = load_gold(config.gold).hash
    expected = {
        "prompt": (rubric.hash, f"another prompt than {rubric.name}@{rubric.version} as it stands here"),
        "model": (identity.model, "another model"),
        "revision": (identity.revision, "another revision of the model"),
        "gold": (gold_hash, f"another gold set than {gold_hash[:12]}"),
        "max_tokens": (config.max_tokens, "another max_tokens"),
        "sees": (config.sees, "another sees"),
    }
    differences = [
        (evaluation, [said for name, (value, said) in expected.items() if getattr(evaluation, name) != value])
        for evaluation in load(config.evaluation)
    ]
    nearest, differing = min(differences, key=lambda found: len(found[1]))
    return f"the evaluation is of {' and '.join(differing)}" if differing else nearest


def calibration_of(config: JudgeConfig, rubric: Prompt, identity: Identity) -> Calibration | None:
    """What maps this rubric's scores; None where the run wants them raw. Raises ConfigError where it cannot be had."""
    if not config.calibrate:
        return None
    found = standing(config, rubric, identity)
    if isinstance(found, str):
        raise ConfigError(
            f"judge.calibrate: no calibration for rubric {rubric.name}@{rubric.version}: {found}. Run `curate judge "
            "eval` with this config and --save, and name the file in judge.evaluation; or set calibrate: false"
        )
    if found.calibration is None:
        raise ConfigError(
            "judge.calibrate: the evaluation's gold set has no part `choose` to calibrate on; set it false"
        )
    return found.calibration


def note(config: JudgeConfig, name: str, rubric: Prompt, identity: Identity) -> str:
    """A sentence for the reader of the data: what is known of the score `name`."""
    found = standing(config, rubric, identity)
    if isinstance(found, str):
        return f"The judge's score {name} is uncalibrated, its agreement with labels unknown: {found}."
    part = "held-out part" if "held_out" in found.parts else "part that prompts were chosen on"
    scale = "mapped by that calibration" if config.calibrate else "as the model gave it"
    return (
        f"The judge's score {name} is calibrated on gold set {found.gold[:12]}: AUC {found.agreement.auc} on its "
        f"{part}; the score is {scale}."
    )


def content(config: JudgeConfig) -> str | None:
    """Hash of what `judge.evaluation` names and of the gold set beside it; None without one. Raises ConfigError."""
    if config.evaluation is None:
        return None
    found = [evaluation.model_dump(mode="json") for evaluation in load(config.evaluation)]
    return lineage.key("evaluation", load_gold(config.gold).hash, found)
