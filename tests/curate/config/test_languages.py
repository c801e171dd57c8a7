"""Bounds by language: what a row inherits, and what a wrong table is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import filters
from curate.config import RunConfig
from curate.config.file import load
from curate.errors import ConfigError
from curate.lineage import key
from curate.stages import measure, select

LENGTH, STOP, WORDS = "gopher.mean_word_length", "gopher.stop_words", "length.words"
HEAD = f"""\
name: t
inputs: [{{source: s, uri: a.jsonl}}]
output: o
work: w
measure:
  - {{filter: {LENGTH}, keep: {{min: 3, max: 10}}}}
  - {{filter: {STOP}, keep: {{min: 2}}}}
  - {{filter: length.characters}}
  - {{filter: {WORDS}, keep: {{keep_fraction: 0.5}}}}
by_language:
"""


def config(by_language: dict[str, Any], **sections: Any) -> RunConfig:
    measures = [
        {"filter": LENGTH, "keep": {"min": 3, "max": 10}},
        {"filter": STOP, "keep": {"min": 2}},
        {"filter": "length.characters"},
    ]
    values = {"name": "t", "inputs": [{"source": "s", "uri": "x"}], "output": "o", "work": "w", "measure": measures}
    return RunConfig.model_validate({**values, "by_language": by_language, **sections})


def limits(settings: RunConfig, name: str, language: str) -> tuple[float | None, float | None]:
    [found] = [m for m in settings.measured if m.filter.filter == name]
    keep = found.by_language.get(language, found.filter.keep)
    return (keep.min, keep.max) if keep else (None, None)


def refusal(folder: Path, table: str) -> list[str]:
    (folder / "run.yaml").write_text(HEAD + table)
    with pytest.raises(ConfigError) as caught:
        load(folder / "run.yaml")
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_a_language_inherits_each_side_that_it_does_not_name() -> None:
    settings = config({
        "ru": {LENGTH: {"max": 12}},
        "uk": {"like": "ru", LENGTH: {"min": None}, STOP: {"min": 1}},
        "be": {"like": "uk", "length.characters": {"min": 200}},
        "und": {STOP: {"min": None}},
    })  # fmt: skip
    assert limits(settings, LENGTH, "rus_Cyrl") == (3, 12)
    assert limits(settings, LENGTH, "ukr_Cyrl") == (None, 12)
    assert limits(settings, LENGTH, "bel_Cyrl") == (None, 12)
    assert limits(settings, LENGTH, "und") == limits(settings, LENGTH, "eng_Latn") == (3, 10)
    assert [limits(settings, STOP, each) for each in ("rus_Cyrl", "ukr_Cyrl", "bel_Cyrl", "und")] == [
        (2, None), (1, None), (1, None), (None, None)
    ]  # fmt: skip
    assert limits(settings, "length.characters", "bel_Cyrl") == (200, None)
    assert limits(settings, "length.characters", "eng_Latn") == (None, None)


SIDES = st.fixed_dictionaries({}, optional={"min": st.none() | st.just(4), "max": st.none() | st.just(9)})


@given(sides=SIDES.filter(bool), inherited=SIDES.filter(bool))
def test_a_chain_ends_as_its_sides_written_out(sides: dict[str, Any], inherited: dict[str, Any]) -> None:
    chained = config({"ru": {LENGTH: inherited}, "uk": {"like": "ru", LENGTH: sides}})
    written = config({"uk": {LENGTH: {**inherited, **sides}}})
    assert limits(chained, LENGTH, "ukr_Cyrl") == limits(written, LENGTH, "ukr_Cyrl")


def test_a_language_may_be_written_short_and_is_the_same_run() -> None:
    short, full = config({"ru": {LENGTH: {"max": 12}}}), config({"rus_Cyrl": {LENGTH: {"max": 12.0}}})
    assert short.identity() == full.identity()


def test_a_bound_that_is_taken_away_is_not_one_that_is_inherited() -> None:
    taken, kept = config({"ru": {LENGTH: {"min": None, "max": 12}}}), config({"ru": {LENGTH: {"max": 12}}})
    assert taken.identity() != kept.identity()
    again = RunConfig.model_validate_json(json.dumps(taken.model_dump(mode="json")))
    assert again.identity() == taken.identity()


def decided_by(config: RunConfig) -> str:
    return key(select.identity(config))


def test_bounds_of_a_language_select_again_and_measure_nothing() -> None:
    plain, own = config({}), config({"ru": {LENGTH: {"max": 12}}})
    assert measure.identity(plain.measure) == measure.identity(own.measure)
    keys = {decided_by(each) for each in (plain, own, config({"ru": {LENGTH: {"max": 13}}}))}
    assert len(keys) == 3
    same = config({"uk": {LENGTH: {"max": 12}}, "ru": {"like": "uk"}}), config({"uk": {LENGTH: {"max": 12}}})
    assert decided_by(same[0]) != decided_by(same[1])
    assert decided_by(config({"ru": {LENGTH: {"max": 10}}})) == decided_by(plain)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("  ru:\n    gopher.mean_word_lenth: {max: 12}\n", [(12, "did you mean gopher.mean_word_length")]),
        ("  ru: {length.bytes: {max: 2}}\n", [(11, "not in `measure`: add `- {filter: length.bytes}` there")]),
        ("  ru: {length.words: {min: 2}}\n", [(11, "has keep_fraction in `measure`, a share of the documents of all")]),
        (f"  ru: {{{STOP}: {{keep_fraction: 0.2}}}}\n", [(11, "keep_fraction is a share of the documents of all")]),
        (f"  de: {{{STOP}: {{min: 1}}}}\n  ru:\n    {STOP}: {{min: 9}}\n", [(13, "min 9 is outside what")]),
        (f"  ru:\n    {LENGTH}: {{min: 11}}\n",
         [(12, "min 11 is above max 10 (max inherited): nothing could be kept; write max here too, or max: null")]),
        (f"  ru: {{{LENGTH}: {{min: 11, max: null}}}}\n  de:\n    like: ru\n    {LENGTH}: {{max: 9}}\n",
         [(14, "min 11 is above max 9 (min inherited)")]),
        (f"  ru: {{{STOP}: {{}}}}\n", [(11, "set min or max; null takes away")]),
        (f"  ru: {{{STOP}: {{mn: 1}}}}\n", [(11, "unknown key; did you mean 'min'? allowed: max, min")]),
        (f"  ru: {{{STOP}: {{min: '1'}}}}\n", [(11, "valid number, got '1'")]),
        (f"  ru: {{{STOP}: 1}}\n", [(11, "should be an object, got 1")]),
        ("  ru:\n    lik: de\n", [(12, "unknown key; allowed: like, and the filters")]),
        ("  ru: {like: ukr_Cyrl}\n  uk_UA: {like: ru}\n", [(11, "goes in a circle: rus_Cyrl -> ukr_Cyrl -> rus_Cyrl")]),
        ("  ru: {like: ru}\n", [(11, "goes in a circle: rus_Cyrl -> rus_Cyrl")]),
        ("  ru: {like: bel_Cyrl}\n  ukr_Cyrl: {}\n", [(11, "unknown language 'bel_Cyrl'"), (11, "a row of its own")]),
        ("  ru: {}\n  de: {}\n  rus_Cyrl: {}\n", [(10, "ru and rus_Cyrl are the same language, rus_Cyrl")]),
        ("  russ: {}\n", [(11, "by_language.russ: 'russ' is no language code known here")]),
        ("  ru: {gopher.stop: {min: 1}}\n  de: {like: fr}\n", [(11, "unknown filter"), (12, "unknown language")]),
        ("  ru: 3\n", [(11, "by_language.ru: Input should be an object, got 3")]),
        ("  [ru]\n", [(10, "by_language: Input should be an object")]),
    ],
)  # fmt: skip
def test_a_wrong_table_is_named_with_its_line(tmp_path: Path, table: str, said: list[tuple[int, str]]) -> None:
    message = refusal(tmp_path, table)
    for line, part in said:
        assert [m for m in message if m.startswith(f"run.yaml:{line}: by_language") and part in m], message
    assert len(message) == len({line for line, _ in said})
    assert "pydantic" not in str(message)


def test_a_filter_on_two_texts_cannot_be_meant_by_one_row(tmp_path: Path) -> None:
    twice = f"  - {{transform: c4.clean}}\n  - {{filter: {STOP}}}\nby_language:\n"
    (tmp_path / "run.yaml").write_text(HEAD.replace("by_language:\n", twice) + f"  ru: {{{STOP}: {{min: 1}}}}\n")
    with pytest.raises(ConfigError, match=r"run.yaml:13: .*stands in `measure` 2 times, on different texts"):
        load(tmp_path / "run.yaml")


def test_every_filter_has_a_name_that_no_other_key_of_a_row_can_have() -> None:
    assert all("." in name for name in filters.FILTERS)
