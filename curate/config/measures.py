"""The `measure` section: filters and transforms in their order, and the bounds that `select` keeps to."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Tag, ValidationError, create_model, model_validator

import filters
from curate.config import yaml_source
from curate.config.lists import FORMS
from curate.config.values import Share, Strict

MANY_DIGITS = 1e16
"""From here on a float has no exact digits left, and a power of ten is easier to read."""


def shown(value: float) -> str:
    """A number as people write it: 500, not 500.0."""
    return str(int(value)) if value.is_integer() and abs(value) < MANY_DIGITS else str(value)


class Bounds(Strict):
    """What `select` keeps. At least one of the three."""

    min: float | None = None
    """Keep a document only if its value is at least this."""

    max: float | None = None
    """Keep a document only if its value is at most this."""

    keep_fraction: Share | None = None
    """Keep this share of the documents, those with the highest values; the bound found is recorded."""

    @model_validator(mode="after")
    def one_is_set(self) -> Self:
        """Refuse bounds that bound nothing, or that nothing could meet."""
        if self.min is None and self.max is None and self.keep_fraction is None:
            raise ValueError("set min, max or keep_fraction; to only record the value, leave keep out")
        if self.keep_fraction is not None and (self.min is not None or self.max is not None):
            raise ValueError("keep_fraction cannot be combined with min or max: it sets the minimum itself")
        if self.min is not None and self.max is not None and self.min > self.max:
            said = f"min {shown(self.min)} is above max {shown(self.max)}: nothing could be kept"
            raise ValueError(f"{said}; swap them, or leave one out")
        return self


Missing = Literal["keep", "reject", "stop"]


class ScoreBounds(Bounds):
    """Bounds on a model's score, which can be missing: they say what happens then, by status."""

    missing: Mapping[Literal["not_sampled", "failed"], Missing]
    """`not_sampled`: the budget left the document out. `failed`: asked, and no score came back."""

    @model_validator(mode="after")
    def each_status_is_decided(self) -> Self:
        """Refuse to guess what a missing score means."""
        if absent := {"not_sampled", "failed"} - set(self.missing):
            raise ValueError(f"missing: say keep, reject or stop for {', '.join(sorted(absent))}")
        return self


class FilterConfig(Strict):
    """One measure, its parameters, and the bounds on its value."""

    filter: str
    params: Mapping[str, Any] = {}
    keep: Bounds | None = None
    publish: bool = False
    """Write the value into `data/` as a column."""

    @property
    def function(self) -> Callable[..., Any]:
        """What measures; its keyword-only parameters are the knobs."""
        return filters.get(self.filter).measure

    @model_validator(mode="after")
    def exists_and_params_fit(self) -> Self:
        """Refuse unknown filters, unknown parameters and bounds that no value can reach."""
        _check_params(self.filter, self.function, self.params)
        for side in ("min", "max"):
            value = getattr(self.keep, side, None) if self.keep else None
            if value is not None and (fault := out_of_reach(self.filter, side, value)):
                raise ValueError(fault)
        return self


def out_of_reach(name: str, side: str, value: float) -> str | None:
    """What to say of a bound that no value of the filter can meet or miss; None for any other."""
    chosen = filters.get(name)
    if (chosen.low is None or value >= chosen.low) and (chosen.high is None or value <= chosen.high):
        return None
    low, high = ("" if end is None else shown(end) for end in (chosen.low, chosen.high))
    per_cent = chosen.high == 1 and 1 < value <= 100
    hint = f"; a share, not per cent: {value / 100:g}?" if per_cent else ""
    return f"{side} {shown(value)} is outside what {name} can reach: {low}..{high}{hint}"


class TransformConfig(Strict):
    """One rewriting of the texts: entries of `measure` behind it see the new ones."""

    transform: str
    params: Mapping[str, Any] = {}

    @property
    def function(self) -> Callable[..., Any]:
        """What rewrites; its keyword-only parameters are the knobs."""
        return filters.get_transform(self.transform).rewrite

    @model_validator(mode="after")
    def exists_and_params_fit(self) -> Self:
        """Refuse unknown transforms and unknown parameters."""
        _check_params(self.transform, self.function, self.params)
        return self


def _check_params(name: str, function: Callable[..., Any], params: Mapping[str, Any]) -> None:
    """Raise ValueError where `params` are not the function's keyword-only parameters."""
    signature = inspect.signature(function, eval_str=True)
    knobs = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    fields: Any = {p.name: (FORMS.get(p.annotation, p.annotation), _default(p)) for p in knobs}
    form = create_model(name, __base__=Strict, **fields)
    try:
        form.model_validate_json(json.dumps(dict(params)), strict=True)
    except ValidationError as error:
        raise ValueError(yaml_source.explain_parameters(error, sorted(fields))) from None


def _default(knob: inspect.Parameter) -> Any:
    """Of a knob that is a list there is none: without a file the rule never fires."""
    return ... if knob.default is knob.empty or knob.annotation in FORMS else knob.default


FILTER, TRANSFORM = (yaml_source.UNION_TAG + kind for kind in ("filter", "transform"))


def _kind_of_step(step: object) -> str:
    is_transform = isinstance(step, TransformConfig) or (isinstance(step, Mapping) and "transform" in step)
    return TRANSFORM if is_transform else FILTER


MeasureStep = Annotated[
    Annotated[FilterConfig, Tag(FILTER)] | Annotated[TransformConfig, Tag(TRANSFORM)], Discriminator(_kind_of_step)
]


@dataclass(frozen=True)
class Measured:
    """A filter of the config, and the text that it sees."""

    filter: FilterConfig
    after: tuple[str, ...]
    """Labels of the transforms that its text had been through."""

    by_language: Mapping[str, Bounds | None] = field(default_factory=dict)
    """Language -> the bounds that apply to it instead of `filter.keep`; None: none. Others have `filter.keep`."""

    @property
    def column(self) -> str:
        """Where its values are stored: `rule@semantics.version`, and `+` with each of `after`."""
        return "+".join([filters.get(self.filter.filter).column, *self.after])


def measured(steps: Sequence[MeasureStep]) -> list[Measured]:
    """The filters among the steps, in their order."""
    found: list[Measured] = []
    after: tuple[str, ...] = ()
    for step in steps:
        if isinstance(step, TransformConfig):
            after = (*after, filters.get_transform(step.transform).label)
        else:
            found.append(Measured(step, after))
    return found


def transforms(steps: Sequence[MeasureStep]) -> list[TransformConfig]:
    """The transforms among the steps, in their order."""
    return [step for step in steps if isinstance(step, TransformConfig)]


def repeated(steps: Sequence[MeasureStep]) -> list[tuple[int, str]]:
    """Entries that measure what an earlier one does on the same text: their number, and the sentence."""
    numbers = [n for n, step in enumerate(steps) if isinstance(step, FilterConfig)]
    first: dict[str, int] = {}
    found = []
    for number, each in zip(numbers, measured(steps), strict=True):
        earlier = first.setdefault(each.column, number)
        if earlier != number:
            sentence = f"{each.column} stands there twice, first as measure.{earlier}; give one entry both bounds"
            found.append((number, sentence))
    return found
