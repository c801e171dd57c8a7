"""How a version was made, in words for its card: the stages in their order, and a table of the measures."""

import json
from collections.abc import Mapping
from typing import Any

import filters
from curate.config import LinesConfig, RunConfig
from curate.config.lists import without_places
from curate.reports.run_record import by_language, describe, measures_of
from curate.reports.visible import markdown


def how_made(config: RunConfig, manifest: Mapping[str, Any]) -> str:
    """The stages in the order in which they ran."""
    language = config.extract.language
    model = "lid.176.ftz" if language.model == "lid.176" else "a model of the user's"
    steps = [
        "**extract**: text of HTML pages by resiliparse (main content), of other formats as it stands; normalised; "
        f"language by fastText ({model}) on the first {language.max_chars:,} characters, `und` below "
        f"{language.min_letters} letters or a probability of {language.min_score:g}."
    ]
    if config.dedup and config.dedup.lines:
        steps.append(f"**lines**: {_lines(config.dedup.lines)}")
    if config.languages is not None:
        steps.append(f"**languages**: only {', '.join(config.languages)}.")
    if config.measure:
        steps.append("**measure and select**: the values below; a document outside a bound was rejected.")
    if config.dedup:
        steps.append(f"**dedup**: {_dedup(config)}")
    if config.judge:
        assert config.llm
        bounds = (
            f" Kept: {describe(config.judge.keep)}; without a score: {_missing(config)}." if config.judge.keep else ""
        )
        steps.append(
            f"**judge**: rubric `{_name(config.judge.rubric)}` by {_name(config.llm.model)}; the score `quality` is "
            f"the expected value over the rubric's choices.{bounds}"
        )
    if config.synthesize:
        assert config.llm
        steps.append(
            f"**synthesize**: prompt `{_name(config.synthesize.prompt)}` by {_name(config.llm.model)} at temperature "
            f"{config.synthesize.temperature:g}, from at most {config.synthesize.max_documents:,} of the best judged "
            f"documents in {', '.join(config.synthesize.languages)}; the answers went through the same stages."
        )
    listed = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    code = ", ".join(f"{name} {version}" for name, version in sorted(manifest.get("code", {}).items()))
    return "\n\n".join(
        s for s in ["## How it was made", listed, measures_table(config), f"Versions: {code}." if code else ""] if s
    )


def _name(model: str) -> str:
    """The last part of a model's or prompt's name: a path says nothing elsewhere and would enter the version."""
    return model.rstrip("/").rpartition("/")[2]


def _lines(lines: LinesConfig) -> str:
    among = {"corpus": "", "source": " of one source", "host": " of one host"}[lines.scope]
    return (
        f"a {lines.unit} of at least {lines.min_characters} characters that {lines.min_documents:,} or more different "
        f"texts{among} have, but for case, diacritics, digits and white space, was taken out of all but one of them "
        f"(`dedup.lines` in `transforms`)."
    )


def _dedup(config: RunConfig) -> str:
    assert config.dedup
    text = "of documents with the same text one is kept"
    if config.dedup.url:
        text = f"of documents from one address, in its normal form and whatever their texts, one is kept; {text}"
    if near := config.dedup.minhash:
        text += (
            f"; and of near-copies: MinHash over shingles of {near.shingle.size} {near.shingle.unit} ({near.bands} "
            f"bands of {near.rows}) proposes pairs, and the exact Jaccard similarity of their texts, at least "
            f"{near.min_similarity:g}, decides"
        )
    sources = config.dedup.source_priority
    said = {"source": f"source ({', '.join(sources)})", "real": "real before synthetic"}
    order = [said.get(name, name) for name in config.dedup.prefer if name != "source" or sources]
    return f"{text}. Of duplicates the one is kept that comes first by: {', '.join([*order, 'smallest id'])}."


def _missing(config: RunConfig) -> str:
    assert config.judge
    assert config.judge.keep
    return ", ".join(f"{status} = {action}" for status, action in sorted(config.judge.keep.missing.items()))


def measures_table(config: RunConfig) -> str:
    """A table of the measures: bound, unit, whose definition, source."""
    if not config.measure:
        return ""
    lines = []
    for measured in config.measured:
        entry, chosen = measured.filter, filters.get(measured.filter.filter)
        params = f" {json.dumps(without_places(entry.params), sort_keys=True, default=str)}" if entry.params else ""
        cells = [markdown(describe(entry.keep)), markdown(chosen.unit), markdown(chosen.source)]
        lines.append(f"| `{measured.column}`{markdown(params)} | {' | '.join(cells)} |")
    table = "\n".join(["| Measure (rule@semantics.version) | Kept | Unit | Source |", "|---|---|---|---|", *lines])
    return "\n\n".join([table, *_by_language(config)])


def _by_language(config: RunConfig) -> list[str]:
    """A table of the languages with bounds of their own; nothing where none has."""
    measures, rows = by_language(measures_of(config))
    if not rows:
        return []
    head = ["| Language | " + " | ".join(f"`{m.column}`" for m in measures) + " |", "|---" * (len(measures) + 1) + "|"]
    lines = [f"| {markdown(language)} | {' | '.join(map(markdown, cells))} |" for language, cells in rows]
    return ["Documents in these languages were kept within bounds of their own:", "\n".join([*head, *lines])]
