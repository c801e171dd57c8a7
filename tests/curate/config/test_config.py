"""The YAML file: what is accepted, and what a wrong file is told."""

import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.config import PLACEMENT, RunConfig, yaml_source
from curate.config.file import load, with_overrides
from curate.errors import ConfigError

GOOD = """\
name: tiny
inputs:
  - source: web
    uri: pages
    format: warc
    license: CC0-1.0
  - source: books
    uri: [books/a.jsonl, books/b.jsonl]
    fields: {text: body, url: link}
output: ../out
work: ../work
languages: [eng_Latn]
dedup:
  minhash: {}
  source_priority: [books]
llm: {}
judge:
  max_documents: 64
  keep: {min: 1.5, missing: {not_sampled: keep, failed: reject}}
publish: {validation_share: 0.02}
"""
ONE_SOURCE = (
    "name: one\ninputs:\n  - {source: web, uri: pages, format: warc, license: CC0-1.0}\noutput: out\nwork: work\n"
)


def write(folder: Path, text: str, name: str = "run.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value)


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


def test_paths_are_relative_to_the_file_and_not_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "configs", GOOD)
    monkeypatch.chdir(tmp_path)
    here = load(Path("configs/run.yaml"))
    assert here == load(path)
    assert here.output == tmp_path / "out"
    assert here.work == tmp_path / "work"
    assert [i.uris for i in here.inputs] == [
        (str(tmp_path / "configs/pages"),),
        (str(tmp_path / "configs/books/a.jsonl"), str(tmp_path / "configs/books/b.jsonl")),
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("max_documents", "max_documnets", ["judge.max_documnets", "did you mean 'max_documents'?", "rubric"]),
        ("languages:", "langauges:", ["did you mean 'languages'?", "inputs"]),
        ("source: web", "sauce: web", ["inputs.0.sauce: unknown key; did you mean 'source'?"]),
        ("format: warc", "format: wrac", ["inputs.0.format", "'warc'", "got 'wrac'"]),
        ("max_documents: 64", "max_documents: '64'", ["judge.max_documents", "integer", "got '64'"]),
        ("max_documents: 64", "max_documents: true", ["judge.max_documents", "integer", "got True"]),
        ("max_documents: 64", "max_documents: 0", ["judge.max_documents", "greater than 0", "got 0"]),
        ("max_documents: 64", "max_documents: 010", ["judge.max_documents", "got '010'"]),
        ("0.02", "1.25", ["publish.validation_share", "less than or equal to 1", "got 1.25"]),
        ("validation_share: 0.02", "shard_bytes: 64 M", ["publish.shard_bytes", "'64 M' is no size", "512MB"]),
        ("0.02", ".nan", ["publish.validation_share", "got '.nan'"]),
        ("[eng_Latn]", "[english]", ["languages.0", "'english' is no language code", "eng_Latn or und"]),
        ("[eng_Latn]", "[]", ["languages", "at least 1"]),
        ("[eng_Latn]", "[2]", ["languages.0", "string", "got 2"]),
        ("uri: pages", "uri: s3://bucket/pages", ["inputs.0.uri", "s3://bucket/pages", "only local files"]),
        ("uri: pages", "uri: ''", ["inputs.0.uri", "expected a path"]),
        ("uri: pages", "uri: []", ["inputs.0.uri", "at least 1"]),
        ("output: ../out", "output: s3://bucket/out", ["output", "only local files"]),
        ("{min: 1.5, missing:", "{missing:", ["judge.keep", "set min, max or keep_fraction"]),
        ("not_sampled: keep, ", "", ["judge.keep", "say keep, reject or stop for not_sampled"]),
        (
            "{min: 1.5,",
            "{min: 1.5, max: 1,",
            ["judge.keep", "min 1.5 is above max 1: nothing could be kept; swap them"],
        ),
        ("name: tiny", "name: Tiny Set", ["name", "got 'Tiny Set'"]),
        ("[books]", "[boks]", ["dedup.source_priority", "did you mean 'books'?"]),
        ("llm: {}\n", "", ["judge and synthesize need an `llm` section"]),
        ("fields: {text: body", "fields: {txt: body", ["inputs.1.fields.txt", "did you mean 'text'?"]),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_is_allowed(
    tmp_path: Path, right: str, wrong: str, said: list[str]
) -> None:
    text = GOOD.replace(right, wrong)
    assert text != GOOD
    message = refusal(tmp_path, text)
    for part in said:
        assert part in message
    if wrong and "source_priority" not in message:
        assert f"run.yaml:{line_of(text, wrong)}: " in message


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("{filter: gopher.alpha_word_ration}", "did you mean gopher.alpha_word_ratio"),
        (
            "{filter: gopher.alpha_word_ratio, keep: {min: 1.2}}",
            "outside what gopher.alpha_word_ratio can reach: 0..1; a share, not per cent: 0.012?",
        ),
        ("{filter: gopher.alpha_word_ratio, keep: {max: -1}}", "outside what gopher.alpha_word_ratio can reach"),
        ("{filter: gopher.alpha_word_ratio, keep: {min: 65}}", "can reach: 0..1; a share, not per cent: 0.65?"),
        (
            "{filter: gopher.word_count, keep: {min: 500, max: 50.0}}",
            "measure.0 gopher.word_count keep: min 500 is above max 50: nothing could be kept; swap them, or",
        ),
        ("{filter: gopher.word_count, keep: {min: 0.5, max: 0.25}}", "min 0.5 is above max 0.25"),
        ("{filter: gopher.alpha_word_ratio, keep: {}}", "set min, max or keep_fraction"),
        ("{filter: gopher.alpha_word_ratio, keeep: {min: 0.8}}", "did you mean 'keep'?"),
        ("{filter: gopher.alpha_word_ratio, params: {n: 2}}", "params.n: unknown key"),
        ("{filter: gopher.alpha_word_ratio, keep: {keep_fraction: 0.5, min: 0.1}}", "cannot be combined"),
    ],
)
def test_a_wrong_measure_is_refused(tmp_path: Path, measure: str, said: str) -> None:
    message = refusal(tmp_path, f"{ONE_SOURCE}measure:\n  - {measure}\n")
    assert said in message
    assert "run.yaml:7: measure.0" in message
    assert "pydantic" not in message


def test_a_measure_may_stand_once(tmp_path: Path) -> None:
    entry = "  - {filter: gopher.alpha_word_ratio}\n"
    message = refusal(tmp_path, f"{ONE_SOURCE}measure:\n{entry}{entry}")
    assert (
        "run.yaml:8: measure.1 gopher.alpha_word_ratio: gopher.alpha_word_ratio@datatrove.1 stands there twice"
        in message
    )


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "name: x\nlangauges: [en]\nseed: many\n")
    assert len(message.splitlines()) == 5
    for part in ("run.yaml:2: langauges", "run.yaml:3: seed", "inputs: required", "output: required", "work: required"):
        assert part in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got nothing, expected a mapping with name, inputs"),
        ("# only a comment\n", "got nothing"),
        ("- a\n- b\n", "got a list"),
        ("just words", "got a str"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("name: a\nwork: w\nname: b\n", "run.yaml:3: 'name' stands twice, first in line 1"),
        ("judge:\n  rubric: a\n  rubric: b\n", "run.yaml:3: 'rubric' stands twice, first in line 2"),
        ("? [a, b]\n: c\n", "run.yaml:1: a list or mapping as a key"),
        (
            "name: x\nwork: !!python/object/apply:os.system ['false']\n",
            "run.yaml:2: not a plain value: the tag tag:yaml.org,2002:python/object",
        ),
        ("name: x\n  work: y\n", "run.yaml:2: not valid YAML"),
        ("name: 'x\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("name: a\x07b\n", "not valid YAML: special characters are not allowed"),
        ("<<: {name: x}\n", "<<: unknown key"),
        ("1: x\nnull: y\n", "1: unknown key"),
        ("[" * 5000, "not a config"),
        ("x" * (yaml_source.MAX_BYTES + 1), "a config has at most 200,000. Is this the right file?"),
    ],
    ids=lambda v: repr(v)[:20],
)
def test_what_is_no_config_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"missing.yaml: cannot be read \(No such file or directory\); expected a YAML"
    ):
        load(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9 au lait\n")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 9"):
        load(tmp_path / "latin.yaml")


def test_plain_words_stay_words(tmp_path: Path) -> None:
    config = load(write(tmp_path, ONE_SOURCE.replace("source: web", "source: no") + "languages: [nno_Latn, no]\n"))
    assert config.inputs[0].source == "no"
    assert load(write(tmp_path, ONE_SOURCE + "publish: {validation_share: 1e-3}\n")).publish.validation_share == 0.001
    assert load(write(tmp_path, ONE_SOURCE + "publish: {shard_bytes: 1_000}\n")).publish.shard_bytes == 1000
    assert load(write(tmp_path, ONE_SOURCE.replace("name: one", "name: 2024-01-01"))).name == "2024-01-01"


@given(st.text(max_size=300))
def test_any_text_loads_or_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "run.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError):
        load(path)


KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(RunConfig.model_fields)), inner),
    max_leaves=8,
)


@given(key=st.sampled_from(sorted(RunConfig.model_fields)), value=KEYS)
def test_any_value_of_any_key_loads_or_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "run.yaml"
    lines = [line for line in GOOD.splitlines() if not line.startswith(" ")]
    kept = [
        line for line in lines if line.endswith(("}", "tiny", "out", "work", "]")) and not line.startswith(f"{key}:")
    ]
    path.write_text("\n".join([*kept, f"{key}: {json.dumps(value)}"]))
    try:
        load(path)
    except ConfigError as error:
        message = str(error)
    else:
        message = str(path)
    assert str(path) in message


@pytest.mark.parametrize(
    ("output", "work", "said"),
    [
        ("same", "same", "output and work are both"),
        ("file", "work", "output: .*file is a file"),
        ("pages/out", "work", "output: .* lies in the input"),
        ("out", "pages", "work: .* lies in the input"),
    ],
)
def test_folders_that_cannot_serve_together(tmp_path: Path, output: str, work: str, said: str) -> None:
    (tmp_path / "file").touch()
    text = ONE_SOURCE.replace("output: out", f"output: {output}").replace("work: work", f"work: {work}")
    with pytest.raises(ConfigError, match=said):
        load(write(tmp_path, text))
    config = load(write(tmp_path, ONE_SOURCE))
    with pytest.raises(ConfigError, match=said):
        with_overrides(config, output=tmp_path / output, work=tmp_path / work)


def test_a_tokenizer_that_is_not_there(tmp_path: Path) -> None:
    assert "publish.tokenizer" in refusal(tmp_path, ONE_SOURCE + "publish: {tokenizer: tok.json}\n")
    (tmp_path / "tok.json").touch()
    config = load(write(tmp_path, ONE_SOURCE + "publish: {tokenizer: tok.json}\n"))
    assert config.publish.tokenizer == tmp_path / "tok.json"


def test_a_language_model_that_is_not_there(tmp_path: Path) -> None:
    text = ONE_SOURCE + "extract: {language: {model: lid.bin}}\n"
    assert f"extract.language.model: {tmp_path / 'lid.bin'} is not there" in refusal(tmp_path, text)
    (tmp_path / "lid.bin").touch()
    assert load(write(tmp_path, text)).extract.language.model == str(tmp_path / "lid.bin")


def test_no_path_enters_the_identity(tmp_path: Path) -> None:
    for name in ("lid.bin", "model/config.json", "rubric.md", "story.md", "tok.json"):
        write(tmp_path, "", name)
    paths = {
        "extract": {"language": {"model": "lid.bin"}},
        "llm": {"model": "./model", "cache": "cache"},
        "judge": {"rubric": "rubric.md"},
        "synthesize": {"prompt": "./story.md"},
        "publish": {"tokenizer": "tok.json"},
    }
    config = load(write(tmp_path, ONE_SOURCE + "\n".join(f"{k}: {json.dumps(v)}" for k, v in paths.items())))
    assert config.judge is not None
    assert config.judge.rubric == str(tmp_path / "rubric.md")
    assert str(tmp_path) not in repr(config.identity())


def test_overrides_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(write(tmp_path / "configs", ONE_SOURCE))
    monkeypatch.chdir(tmp_path)
    changed = with_overrides(config, inputs=["mine/*.gz"], output=Path("o"), work=Path("w"), workers=3)
    assert changed.inputs[0].uris == (str(tmp_path / "mine/*.gz"),)
    assert changed.inputs[0].format == "warc"
    assert changed.inputs[0].license == "CC0-1.0"
    assert (changed.output, changed.work, changed.execution.workers) == (tmp_path / "o", tmp_path / "w", 3)
    assert changed.identity() == config.identity()
    assert with_overrides(config) == config


def test_inputs_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(write(tmp_path, GOOD))
    monkeypatch.chdir(tmp_path)
    changed = with_overrides(config, inputs=["books=x.jsonl", "books=y=z.jsonl"])
    [books] = changed.inputs
    assert books.uris == (str(tmp_path / "x.jsonl"), str(tmp_path / "y=z.jsonl"))
    assert books.fields == config.inputs[1].fields
    both = with_overrides(config, inputs=["books=x.jsonl", "web=w"])
    assert [i.source for i in both.inputs] == ["web", "books"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("pages", "the config has 2 inputs; say which: NAME=URI of web, books"),
        ("wbe=pages", "unknown source 'wbe'; did you mean 'web'"),
        ("web=", "expected a path"),
        ("web=s3://bucket/x", "only local files"),
    ],
)
def test_inputs_that_cannot_be_meant(tmp_path: Path, argument: str, said: str) -> None:
    config = load(write(tmp_path, GOOD))
    with pytest.raises(ConfigError, match=said) as caught:
        with_overrides(config, inputs=[argument])
    assert f"--input {argument}: " in str(caught.value)


def test_a_path_with_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(write(tmp_path, ONE_SOURCE))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"written \./day=1/a\.warc"):
        with_overrides(config, inputs=["day=1/a.warc"])
    assert with_overrides(config, inputs=["./day=1/a.warc"]).inputs[0].uris == (str(tmp_path / "day=1/a.warc"),)


def test_a_source_that_stands_twice_cannot_be_overridden(tmp_path: Path) -> None:
    entry = "  - {source: web, uri: more, format: jsonl}\n"
    config = load(write(tmp_path, ONE_SOURCE.replace("output:", f"{entry}output:")))
    with pytest.raises(ConfigError, match="stands in several inputs"):
        with_overrides(config, inputs=["web=x"])


def test_no_llm_removes_the_model_and_every_bound_on_its_scores(tmp_path: Path) -> None:
    config = with_overrides(load(write(tmp_path, GOOD)), no_llm=True)
    assert (config.llm, config.judge, config.synthesize, config.llm_disabled) == (None, None, None, True)
    assert with_overrides(config.model_copy(update={"llm_disabled": False}), no_llm=True).llm_disabled is False


def test_where_and_how_fast_a_run_happens_is_no_part_of_its_identity(tmp_path: Path) -> None:
    text = GOOD + "execution: {workers: 2}\n"
    config = load(write(tmp_path / "a", text))
    placed = GOOD.replace("uri: pages", "uri: elsewhere").replace("../out", "o").replace("../work", "w")
    placed = placed.replace("llm: {}", "llm: {concurrency: 3, cache: c, tensor_parallel: 2, max_num_seqs: 9}")
    assert load(write(tmp_path / "b", placed)).identity() == config.identity()
    assert not PLACEMENT - {"inputs"} & set(config.identity())
    assert str(tmp_path) not in repr(config.identity())
    other = GOOD.replace("min: 1.5", "min: 1.6")
    assert load(write(tmp_path / "c", other)).identity() != config.identity()
    for how in ("quantization: fp8", "dtype: float32"):
        other = GOOD.replace("llm: {}", f"llm: {{{how}}}")
        assert load(write(tmp_path / "d", other)).identity() != config.identity()


def test_the_order_of_the_inputs_is_no_part_of_the_identity(tmp_path: Path) -> None:
    text = dedent("""\
        name: two
        inputs: [{source: a, uri: a}, {source: b, uri: b}]
        output: out
        work: work
        """)
    turned = text.replace("[{source: a, uri: a}, {source: b, uri: b}]", "[{source: b, uri: b}, {source: a, uri: a}]")
    assert load(write(tmp_path, text)).identity() == load(write(tmp_path, turned)).identity()


def test_a_short_language_code_is_the_full_one(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD.replace("[eng_Latn]", "[en, de-AT, und]")))
    assert config.languages == ("eng_Latn", "deu_Latn", "und")


@pytest.mark.parametrize("size", ["64MB", "64 mb", "0.064GB", "62500KiB", "64000000"])
def test_a_number_of_bytes_may_have_a_unit(tmp_path: Path, size: str) -> None:
    text = GOOD + f"extract: {{max_document_bytes: {size}}}\nexecution: {{split_bytes: {size}, memory: 2GB}}\n"
    config = load(write(tmp_path, text))
    assert config.extract.max_document_bytes == config.execution.split_bytes == 64_000_000
    assert config.execution.memory == 2_000_000_000


def test_a_config_cannot_be_changed(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", ["id", "url", "quality", "row", "a@b.1"])
def test_an_extra_column_cannot_take_a_name_of_ours(name: str) -> None:
    values = {
        "name": "x",
        "inputs": [{"source": "s", "uri": "a.jsonl", "extra": {name: "string"}}],
        "output": "o",
        "work": "w",
    }
    with pytest.raises(ValueError, match="is a column of ours"):
        RunConfig.model_validate(values)
