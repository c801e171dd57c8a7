"""A secret in a config, an argument or a broken YAML file is refused by name, and no message repeats it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from curate.config import RunConfig
from curate.config.file import load, with_overrides
from curate.credentials import is_secret_name, quoted, redacted
from curate.errors import ConfigError
from flows.cli import app

PASSWORD = "Zorquib0pass1word2Zorq"
ADDRESSES = [
    f"http://user:{PASSWORD}@127.0.0.1:8000/v1",
    f"http://{PASSWORD}@127.0.0.1:8000/v1",
    f"https://user:a/{PASSWORD}@host/v1",
    f"https://user:a@{PASSWORD}@host/v1",
    f"https://host/v1?api_key={PASSWORD}",
    f"https://host/v1?x=1&X-Amz-Signature={PASSWORD}",
    f"https://host/v1#token={PASSWORD}",
]
BASE = "name: one\ninputs:\n  - {source: web, uri: pages, format: warc}\noutput: out\nwork: work\n"


def message(folder: Path, text: str) -> str:
    """What the refusal says, the file's own path apart."""
    path = folder / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).replace(str(folder), "")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("llm.endpoint", 'llm: {endpoint: "%s"}\n'),
        ("inputs.0.uri", 'inputs: [{source: web, uri: "%s"}]\n'),
        ("inputs.0.uri", 'inputs: [{source: web, uri: [pages, "%s"]}]\n'),
        ("output", 'output: "%s"\n'),
        ("work", 'work: "%s"\n'),
        ("llm.cache", 'llm: {cache: "%s"}\n'),
        ("publish.tokenizer", 'publish: {tokenizer: "%s"}\n'),
        ("execution.address", 'execution: {address: "%s"}\n'),
    ],
)
def test_an_address_with_credentials_is_refused_by_the_name_of_its_field(
    tmp_path: Path, address: str, field: str, text: str
) -> None:
    key = text.partition(":")[0]
    base = re.sub(rf"^{key}:.*\n(  .*\n)*", "", BASE, flags=re.MULTILINE)
    said = message(tmp_path, base + text % address)
    assert f"run.yaml:{len(base.splitlines()) + 1}: {field}" in said
    assert PASSWORD not in said
    assert "CURATE_LLM_API_KEY" in said or "only local" in said


@pytest.mark.parametrize(
    "text",
    [
        'llm: {model: "https://user:%s@hub/model"}\n',
        'extract: {language: {model: "https://user:%s@host/lid.bin"}}\n',
        'inputs: [{source: web, uri: pages, license: "https://user:%s@host/terms"}]\n',
        'llm: {}\njudge: {rubric: "https://user:%s@host/rubric.md"}\n',
        'llm: "http://user:%s@host/v1"\n',
        'llm: ["http://user:%s@host/v1"]\n',
        'llm: {api_key: "%s"}\n',
        "llm: {%s: key}\n",
        "llm: {concurrency: %s}\n",
        "llm: {dtype: 'user:%s@'}\n",
        "seed: {a: {b: %s}}\n",
        "languages: [%s]\n",
        "execution: {memory: %s}\n",
        "measure: [{filter: gopher.word_count, params: {key: %s}}]\n",
    ],
)
def test_a_secret_anywhere_else_is_not_repeated_either(tmp_path: Path, text: str) -> None:
    base = "name: one\noutput: out\nwork: work\n" if text.startswith("inputs") else BASE
    assert PASSWORD not in message(tmp_path, base + text % PASSWORD)


@pytest.mark.parametrize(
    "line",
    [
        "api_key: !%s", "api_key: !!%s", "api_key: !%s!x", "api_key: *%s", "api_key: &%s &%s", "api_key: @%s",
        "api_key: '%s", 'api_key: "%s\\q"', 'api_key: "\\u%s"', "api_key: `%s`", "api_key: %%%s", "%%%s 1.1",
        "api_key: [%s", "api_key: %s: b", "\t%s", "? [%s]\n: a", "api_key: |x%s", "api_key: > %s", "a: &%s 1\nb: &%s 2",
        "%%TAG !x! %s", "--- %s\n--- %s", "%s", "- %s", "api_key: %s\x07", "%s: a\n%s: b",
    ],
)  # fmt: skip
def test_broken_yaml_is_told_by_its_line_and_not_quoted(tmp_path: Path, line: str) -> None:
    said = message(tmp_path, line.replace("%s", PASSWORD).replace("%%", "%") + "\n")
    assert PASSWORD not in said
    assert "run.yaml" in said


WHOLE = f"{BASE}llm:\n  endpoint: http://user:{PASSWORD}@127.0.0.1:8000/v1\n  retries: 1\n"


@given(at=st.integers(0, len(WHOLE)), cut=st.integers(0, 3), put=st.text("\t\n !\"#%&'*,-:>?@[]{|}`\\x0", max_size=3))
def test_no_slip_of_the_pen_makes_a_message_repeat_the_secret(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    folder = tmp_path_factory.mktemp("slip")
    path = folder / "run.yaml"
    path.write_text(WHOLE[:at] + put + WHOLE[at + cut :])
    try:
        said = repr(load(path))
    except ConfigError as error:
        said = str(error)
    assert PASSWORD not in said


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_command_line_repeats_no_secret(tmp_path: Path, address: str) -> None:
    (tmp_path / "run.yaml").write_text(BASE)
    (tmp_path / "llm.yaml").write_text(f'{BASE}llm: {{endpoint: "{address}"}}\n')
    (tmp_path / "pages").mkdir()
    commands = [
        ["run", str(tmp_path / "run.yaml"), "--input", address],
        ["run", str(tmp_path / "run.yaml"), "--input", f"web={address}", "--prefect"],
        ["run", str(tmp_path / "run.yaml"), "--input", f"wbe={address}"],
        ["run", str(tmp_path / "run.yaml"), "--output", address],
        ["run", str(tmp_path / "run.yaml"), "--work", address, "--prefect"],
        ["run", address],
        ["check", address],
        ["run", str(tmp_path / "llm.yaml"), "--prefect"],
        ["check", str(tmp_path / "llm.yaml")],
    ]
    for command in commands:
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 2, done.output
        assert PASSWORD not in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["llm.yaml", "pages", "run.yaml"]


def test_a_folder_that_is_an_address_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(BASE)
    with pytest.raises(ConfigError, match="--output s3:/bucket/out: an address"):
        with_overrides(load(tmp_path / "run.yaml"), output=Path("s3://bucket/out"))


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_config_made_in_python_is_held_to_the_same(address: str) -> None:
    values = {"name": "x", "inputs": [{"source": "s", "uri": "a.jsonl"}], "output": "o", "work": "w"}
    for wrong in (
        {"llm": {"endpoint": address}},
        {"output": address},
        {"llm": {"endpoint": [address]}},
        {"llm": address},
    ):
        with pytest.raises(ValidationError) as caught:
            RunConfig.model_validate(values | wrong)
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:8000/v1", "https://llm.example/v1", "http://[::1]:8000/v1", "http://host", "https://a-b.c/v1/"],
)
def test_a_plain_endpoint_is_taken(tmp_path: Path, endpoint: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f'{BASE}llm: {{endpoint: "{endpoint}"}}\n')
    config = load(path)
    assert config.llm is not None
    assert config.llm.endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:8000", "ftp://host/v1", "http://", "http://host:port/v1", "", "http://a b/"]
)
def test_what_is_no_base_url_is_told_what_one_looks_like(tmp_path: Path, endpoint: str) -> None:
    said = message(tmp_path, f'{BASE}llm: {{endpoint: "{endpoint}"}}\n')
    assert "llm.endpoint: expected a base URL such as http://127.0.0.1:8000/v1" in said


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "API-KEY", "token", "hf_token", "client_secret", "password", "auth"]
)
def test_a_key_that_is_called_a_secret_is_told_where_secrets_belong(tmp_path: Path, name: str) -> None:
    assert is_secret_name(name)
    said = message(tmp_path, f"{BASE}llm: {{{name}: x}}\n")
    assert f"llm.{name}: unknown key" in said
    assert "CURATE_LLM_API_KEY" in said


@pytest.mark.parametrize("name", ["tokenizer", "keep", "max_tokens", "keyword", "design", "monkey", "model"])
def test_ordinary_keys_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text", ["s3://bucket/key/a.parquet", "/data/a?b#c.jsonl", "configs/quickstart.yaml", "a@b.c", "C:/x/y"]
)
def test_what_holds_no_secret_is_quoted_as_it_is(text: str) -> None:
    assert redacted(text) == text
    assert quoted("wrac 010 .nan 'Tiny Set' english") == "wrac 010 .nan 'Tiny Set' english"


def test_the_variable_that_messages_name_is_the_one_that_is_read() -> None:
    from curate.credentials import HINT
    from curate.llm.session import API_KEY_VARIABLE

    assert API_KEY_VARIABLE in HINT
