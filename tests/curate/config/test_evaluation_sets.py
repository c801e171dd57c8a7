"""Evaluation sets that a config names: what is looked for, what is refused, what keys know, what a run removes."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import zstandard

from curate.config import RunConfig
from curate.config.file import load
from curate.errors import ConfigError, CurateError
from curate.stages.measure import identity, measure
from curate.text.evaluation_file import read_rows
from filters.evaluation import Row
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

QUESTION = "which of the seven bridges of the old town was built by the guild of the bakers in that year"
ANSWER = "the guild of the bakers built the third one from the left, of grey stone and oak"
COLUMN = "contamination.ngram@curate.1"
JSONL = "".join(
    json.dumps({"id": n, "question": f"{QUESTION} {n}", "answer": ANSWER}) + "\n" for n in range(3)
).encode()


def step(sets: object, **more: Any) -> dict[str, Any]:
    return {"filter": "contamination.ngram", "params": {"sets": sets, **more}, "keep": {"max": 0.5}}


def config_of(folder: Path, sets: object = "set.jsonl", data: bytes = JSONL, **more: Any) -> RunConfig:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("set.jsonl", "other.ndjson", "set.txt"):
        (folder / name).write_bytes(data)
    given = {"town": sets} if isinstance(sets, str) else sets
    return load(write_config(folder, [{"source": "s", "uri": "in.jsonl"}], measure=[step(given, **more)], dedup=None))


def values(config: RunConfig, *texts: str) -> list[float]:
    table = pa.table({"text": pa.array(texts, pa.large_string()), "lang": ["eng_Latn"] * len(texts)})
    found: list[float] = measure(table, config.measure).column(COLUMN).to_pylist()
    return found


@pytest.mark.parametrize(
    ("sets", "found"),
    [
        ("set.jsonl", [True, True]),
        ({"town": {"files": "set.jsonl", "fields": ["question"]}}, [True, False]),
        ({"town": {"files": ["set.jsonl", "other.ndjson"], "fields": ["answer", "question"]}}, [True, True]),
        ({"a": {"files": "set.jsonl", "fields": "answer"}, "b": ["other.ndjson"]}, [True, True]),
    ],
)
def test_each_chosen_field_is_looked_for_on_its_own(tmp_path: Path, sets: object, found: list[bool]) -> None:
    config = config_of(tmp_path, sets)
    assert [v == 1.0 for v in values(config, f"He asked: {QUESTION.upper()} 1!", f"So, {ANSWER}.")] == found


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("size", [1, 40_000])
def test_a_file_is_read_plain_or_compressed_with_the_numbers_of_its_lines(tmp_path: Path, pack: Any, size: int) -> None:
    lines = ["\ufefffirst" + "x" * size, "", "  ", "third e\u0301", "last"]
    (tmp_path / "set.txt.gz").write_bytes(pack("\n".join(lines).encode()))
    assert read_rows(tmp_path / "set.txt.gz", "text") == [
        Row(1, "", "first" + "x" * size), Row(4, "", "third \u00e9"), Row(5, "", "last"),
    ]  # fmt: skip


def test_strings_of_a_field_are_found_at_any_depth(tmp_path: Path) -> None:
    item = {"choices": {"text": ["one", "two"], "label": [1, None]}, "q": "three", "n": {"x": [["four"]]}}
    (tmp_path / "s.jsonl").write_text(json.dumps(item))
    found = [(row.field, row.text) for row in read_rows(tmp_path / "s.jsonl", "jsonl")]
    assert found == [("choices", "one"), ("choices", "two"), ("q", "three"), ("n", "four")]


def test_keys_know_what_a_set_holds_and_not_where_it_is(tmp_path: Path) -> None:
    config = config_of(tmp_path / "a")
    moved = config_of(tmp_path / "b", "other.ndjson")
    assert identity(config.measure) == identity(moved.measure)
    assert config.identity()["measure"] == moved.identity()["measure"]
    assert str(tmp_path) not in str(config.identity()) + str(identity(config.measure))
    others = [
        config_of(tmp_path / "c", "set.txt"),
        config_of(tmp_path / "d", {"town": {"files": "set.jsonl", "fields": ["answer"]}}),
        config_of(tmp_path / "e", data=JSONL * 2),
        config_of(tmp_path / "f", n=8),
    ]
    assert len({str(identity(each.measure)) for each in [config, *others]}) == 5


def test_the_settings_of_a_run_can_be_read_again(tmp_path: Path) -> None:
    config = config_of(tmp_path, {"town": {"files": "set.jsonl", "fields": ["question"]}})
    again = RunConfig.model_validate_json(config.model_dump_json(), strict=True)
    assert again.model_dump_json() == config.model_dump_json()


def wrong_sets() -> Sequence[tuple[object, bytes, list[str]]]:
    secret = b'{"question": "hidden words"'
    fields = {"town": {"files": "set.jsonl", "fields": ["qestion"]}}
    return [
        ("none.jsonl", JSONL, ["params.sets.town: ", "none.jsonl cannot be read (No such file", "expected JSONL"]),
        ("set.parquet", JSONL, ["set.parquet: expected JSONL"]),
        ("set.jsonl", JSONL + b"\n" + secret, ["set.jsonl: line 5: no JSON at character 27"]),
        ("set.jsonl", b"[1]\n", ["line 1: a JSON list; expected an object"]),
        ("set.jsonl", b'{"q": "\xff"}', ["line 1: not UTF-8 at byte 7"]),
        ("set.jsonl", b'{"q": "\\ud800"}', ["line 1: no JSON"]),
        ("set.txt", b"fine\n\xff", ["line 2: not UTF-8 at byte 0"]),
        ("set.txt", b"\n \n\n", ["set.txt: no text in it"]),
        ("set.jsonl", b'{"n": 1}\n', ["set.jsonl: no text in it"]),
        ("set.txt", b"fine\n" + b"x" * 16_000_001, ["line 2: over 16,000,000 bytes"]),
        ("set.txt", gzip.compress(JSONL)[:-9], ["line 4: damaged: gzip.truncated"]),
        (fields, JSONL, ["no item has the field 'qestion'; did you mean 'question'?"]),
        ({}, JSONL, ["params.sets", "at least 1"]),
        ({"a b": "set.jsonl"}, JSONL, ["params.sets.a b"]),
        ({"town": {"file": "set.jsonl"}}, JSONL, ["params.sets.town"]),
        ({"town": []}, JSONL, ["params.sets.town"]),
        ("s3://bucket/set.jsonl", JSONL, ["only local files"]),
    ]


@pytest.mark.parametrize(("sets", "data", "said"), wrong_sets())
def test_a_set_that_cannot_serve_is_refused_with_the_line_that_is_wrong(
    tmp_path: Path, sets: object, data: bytes, said: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, sets, data)
    for part in [".yaml:", *said]:
        assert part in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(("more", "said"), [({"n": 5}, "shortest <= n"), ({"common": 0}, "common"), ({"n": "8"}, "n")])
def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config_of(tmp_path, **more)


@pytest.mark.parametrize("gone", [True, False])
def test_a_set_that_changes_while_a_run_goes_on_stops_it(tmp_path: Path, *, gone: bool) -> None:
    config = config_of(tmp_path)
    (tmp_path / "set.jsonl").unlink()
    if not gone:
        (tmp_path / "set.jsonl").write_bytes(JSONL + b"\n")
    with pytest.raises(CurateError, match=r"set\.jsonl: (cannot be read|another content)"):
        values(config, "a text")


def test_a_run_removes_what_holds_an_item_and_says_why(tmp_path: Path) -> None:
    config_of(tmp_path)
    texts = [f"{'Some text before it. ' * 20}{QUESTION.title()} 2? Yes.", "An innocent page about bridges. " * 9]
    pl.DataFrame({"text": texts}).write_ndjson(tmp_path / "in.jsonl")
    result, _ = run_inline(tmp_path / "config.yaml")
    assert (result.kept, dict(result.reasons)) == (1, {"contamination.ngram": 1})
    ledger = pl.concat([pl.read_parquet(path) for path in (tmp_path / "work/ledger").glob("*.parquet")])
    assert ledger["reason"].drop_nulls().to_list() == ["contamination.ngram=1.0 > 0.5"]
