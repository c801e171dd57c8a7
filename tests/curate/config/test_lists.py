"""Files that a config names as lists: what is refused, what the keys know of them, and what a worker reads."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from curate.config import RunConfig
from curate.config.file import load
from curate.errors import ConfigError, CurateError
from curate.reports.method import measures_table
from curate.stages.measure import identity, measure
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

DOMAINS = "# ours\nads.example  # a comment\n\n*.Bad.Example\r\n"
BLOCKED: dict[str, Any] = {"filter": "url.blocked_domain", "params": {"domains": "lists/ads.txt"}}


def config_of(folder: Path, *steps: dict[str, Any], text: str | bytes = DOMAINS) -> RunConfig:
    (folder / "lists").mkdir(parents=True, exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "lists/ads.txt").write_bytes(data)
    (folder / "lists/same.txt").write_bytes(data)
    (folder / "lists/other.txt").write_text("else.example\n")
    return load(write_config(folder, [{"source": "s", "uri": "in.jsonl"}], measure=[dict(step) for step in steps]))


def blocked(files: object) -> dict[str, Any]:
    return {**BLOCKED, "params": {"domains": files}}


def documents(*urls: str | None) -> pa.Table:
    return pa.table(
        {
            "text": pa.array(["a text"] * len(urls), pa.large_string()),
            "lang": ["eng_Latn"] * len(urls),
            "url": pa.array(urls, pa.string()),
        }
    )


def test_documents_are_looked_up_by_their_url(tmp_path: Path) -> None:
    config = config_of(tmp_path, BLOCKED)
    found = measure(documents("https://www.ads.example/", None, "https://bad.example", "https://b.org"), config.measure)
    assert found.column("url.blocked_domain@curate.1").to_pylist() == [1.0, 0.0, 1.0, 0.0]


def test_urls_are_not_read_for_other_filters(tmp_path: Path) -> None:
    config = config_of(tmp_path, {"filter": "length.words"})
    assert measure(documents("https://b.org").drop_columns(["url"]), config.measure).num_rows == 1


def test_several_files_are_one_list(tmp_path: Path) -> None:
    config = config_of(tmp_path, blocked(["lists/ads.txt", "lists/other.txt"]))
    found = measure(documents("https://else.example/", "https://ads.example/"), config.measure)
    assert found.column("url.blocked_domain@curate.1").to_pylist() == [1.0, 1.0]


def test_keys_know_what_a_list_holds_and_not_where_it_is(tmp_path: Path) -> None:
    configs = [
        config_of(tmp_path / "a", BLOCKED),
        config_of(tmp_path / "b", blocked(["lists/same.txt"])),
        config_of(tmp_path / "c", blocked(["lists/same.txt", "lists/ads.txt"])),
    ]
    assert len({str(identity(config.measure)) for config in configs}) == 1
    assert len({str(config.identity()["measure"]) for config in configs}) == 1
    assert str(tmp_path) not in str(configs[0].identity()) + str(identity(configs[0].measure))
    changed = config_of(tmp_path / "a", BLOCKED, text=DOMAINS + "new.example\n")
    assert identity(changed.measure) != identity(configs[0].measure)
    assert changed.identity() != configs[0].identity()


def test_the_card_names_no_place(tmp_path: Path) -> None:
    shown = measures_table(config_of(tmp_path, BLOCKED))
    assert "sha256:" in shown
    assert "ads.txt" not in shown


def test_the_settings_of_a_run_can_be_read_again(tmp_path: Path) -> None:
    config = config_of(tmp_path, BLOCKED)
    again = RunConfig.model_validate_json(config.model_dump_json(), strict=True)
    assert again.model_dump_json() == config.model_dump_json()


@pytest.mark.parametrize(
    ("step", "text", "said"),
    [
        (
            blocked("lists/none.txt"),
            DOMAINS,
            ["measure.1 url.blocked_domain params.domains: ", "none.txt cannot be read (No such file"],
        ),
        (blocked("lists"), DOMAINS, ["cannot be read (Is a directory)"]),
        (BLOCKED, "a.example\nhttp://b.example/\n", ["ads.txt: line 2: never found; expected an entry such as ads.ex"]),
        (BLOCKED, b"\xff", ["ads.txt: not UTF-8 at byte 0"]),
        (BLOCKED, "# nothing\n", ["ads.txt: no entry"]),
        (blocked(["lists/other.txt", "lists/ads.txt"]), b"\xff", ["measure.1 url.blocked_domain params.domains.1: "]),
        (blocked([]), DOMAINS, ["params.domains", "at least 1"]),
        (blocked(3), DOMAINS, ["params.domains"]),
        (blocked("s3://bucket/list"), DOMAINS, ["params.domains", "only local files"]),
        ({"filter": "url.blocked_domain"}, DOMAINS, ["params.domains: required"]),
        ({**BLOCKED, "params": {"domian": "x"}}, DOMAINS, ["params.domian: unknown key; did you mean 'domains'?"]),
        ({"filter": "url.soft_words", "params": {"words": "lists/ads.txt"}}, DOMAINS, ["line 2", "such as casino"]),
    ],
)
def test_a_list_that_cannot_serve_is_refused_with_the_line_that_names_it(
    tmp_path: Path, step: dict[str, Any], text: str | bytes, said: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, {"filter": "length.words"}, step, text=text)
    assert ".yaml:" in str(caught.value)
    for part in said:
        assert part in str(caught.value)


def badwords(words: object) -> dict[str, Any]:
    return {"filter": "badwords.per_1000_words", "params": {"words": words}}


def test_a_list_a_language_under_any_name_of_it(tmp_path: Path) -> None:
    config = config_of(tmp_path, badwords({"en": "lists/ads.txt"}), text="darn\nSome  Phrase\n")
    table = pa.table({
        "text": pa.array(["some phrase", "darn good"], pa.large_string()), "lang": ["eng_Latn", "deu_Latn"],
    })  # fmt: skip
    assert measure(table, config.measure).column("badwords.per_1000_words@c4.1").to_pylist() == [500.0, 0.0]
    same = config_of(tmp_path, badwords({"eng_Latn": ["lists/same.txt"]}), text="darn\nSome  Phrase\n")
    assert identity(same.measure) == identity(config.measure)
    other = config_of(tmp_path, badwords({"de": "lists/ads.txt"}), text="darn\nSome  Phrase\n")
    assert identity(other.measure) != identity(config.measure)


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (
            {"en": "lists/none.txt"},
            "darn",
            ["measure.0 badwords.per_1000_words params.words.eng_Latn: ", "none.txt cannot be read"],
        ),
        ({"en": "lists/ads.txt"}, "...", ["line 1: never found"]),
        ({"en": "lists/ads.txt", "eng": "lists/ads.txt"}, "darn", ["a language stands there twice"]),
        ({"english": "lists/ads.txt"}, "darn", ["'english' is no language code"]),
        ({}, "darn", ["params.words", "at least 1"]),
        ("lists/ads.txt", "darn", ["params.words", "should be an object"]),
    ],
)
def test_lists_by_language_that_cannot_serve_are_refused(
    tmp_path: Path, words: object, text: str, said: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, badwords(words), text=text)
    for part in [".yaml:", *said]:
        assert part in str(caught.value)


@pytest.mark.parametrize("gone", [True, False])
def test_a_list_that_changes_while_a_run_goes_on_stops_it(tmp_path: Path, *, gone: bool) -> None:
    config = config_of(tmp_path, BLOCKED)
    list_file = tmp_path / "lists/ads.txt"
    list_file.unlink()
    if not gone:
        list_file.write_text("new.example\n")
    with pytest.raises(CurateError, match=r"ads\.txt: (cannot be read|another content)"):
        measure(documents("https://b.org"), config.measure)


def test_a_run_says_which_document_a_list_turned_away_and_measures_anew_when_it_changes(tmp_path: Path) -> None:
    def run(name: str, text: str) -> tuple[dict[str, int], int]:
        (tmp_path / name).write_text(text)
        step = {"filter": "url.blocked_domain", "params": {"domains": name}, "keep": {"max": 0}}
        inputs = [{"source": "s", "uri": "in.jsonl", "fields": {"url": "url"}}]
        result, executed = run_inline(
            write_config(tmp_path, inputs, measure=[{"transform": "pii.mask"}, step], dedup=None)
        )
        return dict(result.reasons), executed["measure"]

    rows = [
        {"text": f"text {n} of the page", "url": f"https://{host}/"} for n, host in enumerate(["a.x", "b.x", "c.y"])
    ]
    pl.DataFrame([*rows, {"text": "no address", "url": None}]).write_ndjson(tmp_path / "in.jsonl")
    assert run("list.txt", "b.x\n") == ({"url.blocked_domain": 1}, 1)
    assert run("moved.txt", "b.x\n") == ({"url.blocked_domain": 1}, 0)
    assert run("list.txt", "x\n") == ({"url.blocked_domain": 2}, 1)
