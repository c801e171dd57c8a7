"""The `by_language` section: the bounds that a language has of its own, and where it takes the others from.

by_language:
  rus_Cyrl: {gopher.mean_word_length: {max: 12}}                       # its min is the one in `measure`
  ukr_Cyrl: {like: rus_Cyrl, gopher.mean_word_length: {min: null}}     # null: no bound on that side
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from pydantic import ConfigDict, model_serializer, model_validator

import filters
from curate import credentials
from curate.config.measures import Bounds, Measured, out_of_reach, shown
from curate.config.values import Language, Strict, unknown
from curate.config.yaml_source import Findings, KeyPath
from curate.text.language_codes import normalise_code

Limits = tuple[float | None, float | None]
"""(min, max) of a kept value; None: no bound."""


class Change(Strict):
    """What a language says of one measure. A side that is not there is inherited."""

    min: float | None = None
    """Keep a document only if its value is at least this; null: whatever is inherited does not apply."""

    max: float | None = None
    """Keep a document only if its value is at most this; null: whatever is inherited does not apply."""

    @model_validator(mode="before")
    @classmethod
    def no_share(cls, value: Any) -> Any:
        """Say why a share cannot be asked of one language."""
        if isinstance(value, Mapping) and "keep_fraction" in value:
            raise ValueError("keep_fraction is a share of the documents of all languages; a language has min and max")
        return value

    @model_validator(mode="after")
    def one_is_set(self) -> Self:
        """Refuse a change that changes nothing."""
        if not self.model_fields_set:
            raise ValueError("set min or max; null takes away a bound that is inherited")
        return self

    @model_serializer
    def as_written(self) -> dict[str, float | None]:
        """Only what is set: an absent side is inherited, a null one is not."""
        return {side: getattr(self, side) for side in ("min", "max") if side in self.model_fields_set}

    def over(self, limits: Limits) -> Limits:
        """`limits` with what is set here."""
        written = self.as_written()
        return written.get("min", limits[0]), written.get("max", limits[1])


class LanguageBounds(Strict):
    """A language's row of the table: changes by filter, as `measure` names it."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Change]

    like: Language | None = None
    """The language of the table that it takes after. Absent: the bounds in `measure`."""

    @model_validator(mode="before")
    @classmethod
    def filters_and_like(cls, row: Any) -> Any:
        """Refuse a key that can be no filter, for all of those have a dot: it is `like`, misspelt."""
        wrong = [key for key in row if "." not in str(key) and key != "like"] if isinstance(row, Mapping) else []
        if wrong:
            raise Findings([((key,), "unknown key; allowed: like, and the filters of `measure`") for key in wrong])
        return row

    @property
    def changes(self) -> Mapping[str, Change]:
        """Filter -> what this language says of it."""
        return self.__pydantic_extra__


def each_once(table: object) -> object:
    """Refuse a language under two names, of which one would be lost."""
    seen: dict[str, str] = {}
    for code in table if isinstance(table, Mapping) else ():
        full = normalise_code(str(code)) or str(code)
        if full in seen:
            both = credentials.quoted(f"{seen[full]} and {code}")
            raise ValueError(f"{both} are the same language, {full}; give it one row")
        seen[full] = str(code)
    return table


def with_languages(measured: Sequence[Measured], table: Mapping[str, LanguageBounds]) -> list[Measured]:
    """Each of `measured` with the bounds of the languages that differ from its own. `table` has passed `faults`."""
    return [replace(each, by_language=_bounds_of(each, table)) for each in measured]


def _bounds_of(measured: Measured, table: Mapping[str, LanguageBounds]) -> dict[str, Bounds | None]:
    others = _limits(measured)
    found = {language: _resolved(measured, language, table) for language in table}
    return {
        language: Bounds(min=low, max=high) if (low, high) != (None, None) else None
        for language, (low, high) in sorted(found.items())
        if (low, high) != others
    }


def own_change(measured: Measured, row: LanguageBounds) -> tuple[str, Change] | None:
    """What a row says of a measure, and the name that it calls it by; None where it says nothing."""
    return next(((name, change) for name, change in row.changes.items() if _means(name, measured)), None)


def inherited(measured: Measured, language: str, table: Mapping[str, LanguageBounds]) -> Limits:
    """What would apply to a language of the table if its own row said nothing of the measure."""
    like = table[language].like
    return _limits(measured) if like is None else _resolved(measured, like, table)


def _limits(measured: Measured) -> Limits:
    keep = measured.filter.keep
    return (keep.min, keep.max) if keep else (None, None)


def _resolved(measured: Measured, language: str, table: Mapping[str, LanguageBounds]) -> Limits:
    """What applies to one language: the entry of `measure`, changed along the chain of `like`, its own row last."""
    limits = _limits(measured)
    for each in reversed(_chain(language, table)):
        _, change = own_change(measured, table[each]) or ("", None)
        limits = change.over(limits) if change else limits
    return limits


def _chain(language: str, table: Mapping[str, LanguageBounds]) -> list[str]:
    """The language and those it takes after, nearest first; a circle is walked once."""
    chain = [language]
    while (after := table[chain[-1]].like) is not None and after in table and after not in chain:
        chain.append(after)
    return chain


def _means(name: str, measured: Measured) -> bool:
    return filters.get(name).column == filters.get(measured.filter.filter).column


def faults(table: Mapping[str, LanguageBounds], measured: Sequence[Measured]) -> list[tuple[KeyPath, str]]:
    """What is wrong with a table: key path below `by_language`, and the sentence."""
    found = [fault for language in table for fault in _faults_of_row(language, table, measured)]
    return found or [fault for each in measured for fault in _faults_of_limits(each, table)]


def _faults_of_row(
    language: str, table: Mapping[str, LanguageBounds], measured: Sequence[Measured]
) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = []
    like = table[language].like
    if like is not None and like not in table:
        found.append(((language, "like"), f"{unknown('language', like, [*table])}; it needs a row of its own here"))
    chain = _chain(language, table)
    if table[chain[-1]].like == language == next(each for each in table if each in chain):
        found.append(((language, "like"), f"goes in a circle: {' -> '.join([*chain, language])}; take one `like` out"))
    for name in table[language].changes:
        if fault := _fault_of_name(name, measured):
            found.append(((language, name), fault))
    return found


def _fault_of_name(name: str, measured: Sequence[Measured]) -> str | None:
    try:
        filters.get(name)
    except ValueError as error:
        return str(error)
    meant = [each for each in measured if _means(name, each)]
    if not meant:
        known = [each.filter.filter for each in measured]
        return f"not in `measure`: add `- {{filter: {name}}}` there; {unknown('entry', name, known)}"
    if len(meant) > 1:
        return (
            f"stands in `measure` {len(meant)} times, on different texts, and a row cannot say which; keep one of them"
        )
    keep = meant[0].filter.keep
    if keep and keep.keep_fraction is not None:
        return "has keep_fraction in `measure`, a share of the documents of all languages; give it min or max there"
    return None


def _faults_of_limits(measured: Measured, table: Mapping[str, LanguageBounds]) -> list[tuple[KeyPath, str]]:
    """Of the languages that name this filter: what the others have was found where it is written."""
    found: list[tuple[KeyPath, str]] = []
    for language, row in table.items():
        name, change = own_change(measured, row) or ("", None)
        if change is None:
            continue
        written = change.as_written()
        wrong = [out_of_reach(name, side, value) for side, value in written.items() if value is not None]
        low, high = _resolved(measured, language, table)
        if low is not None and high is not None and low > high:
            taken = [side for side in ("min", "max") if side not in written]
            whence = "".join(f" ({side} inherited)" for side in taken)
            instead = f"write {taken[0]} here too, or {taken[0]}: null" if taken else "swap them, or write one as null"
            wrong.append(f"min {shown(low)} is above max {shown(high)}{whence}: nothing could be kept; {instead}")
        found += [((language, name), fault) for fault in wrong if fault]
    return found
