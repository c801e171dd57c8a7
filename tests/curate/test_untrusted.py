"""Data never executes (promise P7): no code here can load a pickle or run a text, and no name leads out of a folder."""

import ast
import json
import os
import pickle
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.check import check_compile_cache
from curate.config import LanguageConfig, RunConfig
from curate.config.file import load
from curate.errors import ConfigError, CurateError, InputError, ModelError
from curate.inputs import find_inputs
from curate.llm import packaged, prompts
from curate.llm.cache import FILE, ResponseCache
from curate.readers import parquet
from curate.text.language import LanguageModel
from curate.text.tokens import load_tokenizer
from flows.cli import app
from flows.failures import printable
from tests.curate.hostile import HOSTILE, rendered
from tests.curate.inline import run_inline
from tests.curate.readers.objects import split_of
from tests.curate.runs import write_config

ROOT = Path(__file__).parents[2]
SOURCES = [path for name in ("curate", "filters", "flows") for path in sorted((ROOT / name).rglob("*.py"))]

MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load_all", "yaml.unsafe_load",
    "yaml.full_load", "torch.load", "pl.DataFrame.deserialize",
    "pl.LazyFrame.deserialize", "pl.Expr.deserialize",
}  # fmt: skip
SAFE_LOADERS = {"_Loader", "yaml.SafeLoader", "yaml.CSafeLoader"}


def dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def dangers(tree: ast.AST) -> Iterator[str]:
    """What in a module could make code of data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: import {a.name}" for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            parts = {*(node.module or "").split("."), *(a.name for a in node.names)}
            yield from (f"{node.lineno}: from ... import {name}" for name in sorted(parts & MODULES))
        elif isinstance(node, ast.Call):
            name, given = dotted(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            unsafe = (
                name in CALLS
                or (name == "np.load" and given.get("allow_pickle") != "False")
                or (name == "yaml.load" and given.get("Loader") not in SAFE_LOADERS)
                or given.get("shell", "False") != "False"
                or given.get("trust_remote_code", "False") != "False"
                or given.get("allow_pickle", "False") != "False"
            )
            if unsafe:
                yield f"{node.lineno}: {name}(...)"
        elif isinstance(node, ast.Constant) and node.value in (
            "--trust-remote-code",
            "VLLM_ALLOW_INSECURE_SERIALIZATION",
        ):
            yield f"{node.lineno}: {node.value}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_can_make_code_of_data(path: Path) -> None:
    assert list(dangers(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "import pickle as p", "from ray import cloudpickle", "from marshal import loads", "eval('1')",
        "exec(text)", "np.load(path)", "np.load(path, allow_pickle=True)", "torch.load(path)", "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)", "yaml.unsafe_load(text)", "subprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)", "command += ['--trust-remote-code']",
    ],
)  # fmt: skip
def test_what_could_is_seen(code: str) -> None:
    assert list(dangers(ast.parse(code)))


class Touch:
    """A pickle that leaves a file behind when somebody loads it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def into_language_model(folder: Path, planted: bytes) -> None:
    (folder / "lid.bin").write_bytes(planted)
    LanguageModel(LanguageConfig(model=str(folder / "lid.bin")))


def into_tokenizer(folder: Path, planted: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(planted)
    load_tokenizer(folder / "tokenizer.json", "publish.tokenizer")


def into_model_folder(folder: Path, planted: bytes) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(planted)
    packaged.identify(str(folder))


def into_response_cache(folder: Path, planted: bytes) -> None:
    ResponseCache(folder).close()
    with sqlite3.connect(folder / FILE) as database:
        database.execute("insert into answers (key, text_hash, payload) values (?, ?, ?)", (b"k", b"t", planted))
    database.close()
    ResponseCache(folder).get_many([b"k"])


def into_config(folder: Path, planted: bytes) -> None:
    (folder / "run.yaml").write_bytes(planted)
    load(folder / "run.yaml")


def into_prompt(folder: Path, planted: bytes) -> None:
    (folder / "rubric.md").write_bytes(planted)
    prompts.load(str(folder / "rubric.md"), "judge")


def into_arrow_type(folder: Path, planted: bytes) -> None:
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": planted}
    table = pa.table({"text": ["a"]}, schema=pa.schema([pa.field("text", pa.string(), metadata=metadata)]))
    pq.write_table(table, folder / "a.parquet")
    data = (folder / "a.parquet").read_bytes()
    with (folder / "a.parquet").open("rb") as stream:
        list(parquet.read(stream, split_of(data, "parquet", span=(0, 1)), 1_000))


@pytest.mark.parametrize(
    ("plant", "error"),
    [
        (into_language_model, ModelError), (into_tokenizer, ConfigError), (into_model_folder, ModelError),
        (into_response_cache, ModelError), (into_config, ConfigError), (into_prompt, ConfigError),
        (into_arrow_type, InputError),
    ],
)  # fmt: skip
def test_a_planted_pickle_is_refused_and_not_run(
    tmp_path: Path, plant: Callable[[Path, bytes], None], error: type[CurateError]
) -> None:
    ran = tmp_path / "ran"
    planted = pickle.dumps(Touch(ran), protocol=0 if plant is into_arrow_type else None)
    with pytest.raises(error):
        plant(tmp_path, planted)
    assert not ran.exists()
    pickle.loads(planted)
    assert ran.exists()


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.jsonl").touch()
    return load(write_config(tmp_path, [{"source": "s", "uri": "pages", "format": "jsonl"}]))


def cached_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
def test_compiled_code_that_others_can_replace_is_not_loaded(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    folder = tmp_path / "numba"
    folder.mkdir()
    cached_in(monkeypatch, folder)
    check_compile_cache(config)
    folder.chmod(mode)
    with pytest.raises(ConfigError, match=r"NUMBA_CACHE_DIR=.*others can write to .*numba, .*chmod go-w"):
        check_compile_cache(config)


def test_a_folder_above_the_compiled_code_may_be_shared_only_as_tmp_is(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    cached_in(monkeypatch, shared / "mine")
    shared.chmod(0o1777)
    check_compile_cache(config)
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match=r"others can write to .*shared, "):
        check_compile_cache(config)


@pytest.mark.parametrize("name", ["output", "work"])
def test_compiled_code_does_not_lie_among_data(config: RunConfig, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cached_in(monkeypatch, getattr(config, name) / "cache")
    with pytest.raises(ConfigError, match=f"NUMBA_CACHE_DIR=.* lies in {name}"):
        check_compile_cache(config)


def test_a_run_asks_before_it_loads_compiled_code(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = config.work.parent / "numba"
    shared.mkdir()
    shared.chmod(0o777)
    cached_in(monkeypatch, shared)
    for command in ("run", "check"):
        done = CliRunner().invoke(app, [command, str(config.work.parent / "config.yaml")])
        assert (done.exit_code, done.stdout) == (2, "")
        assert "NUMBA_CACHE_DIR" in done.stderr
    assert not config.work.exists()


@pytest.mark.parametrize(
    "source", ["../../x", "/etc/x", "..", "a/b", "a\\b", ".hidden", "a\0b", "${id}", "x" * 101, ""]
)
def test_a_source_whose_name_could_be_a_path_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigError, match=r"inputs\.0\.source"):
        load(write_config(tmp_path, [{"source": source, "uri": "pages"}]))


@pytest.mark.parametrize("field", ["output", "work"])
@pytest.mark.parametrize("value", ["a\0b", "", "s3://bucket/x"])
def test_a_folder_that_no_file_system_has_is_refused(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(ConfigError, match=field):
        load(write_config(tmp_path, [{"source": "s", "uri": "pages"}], **{field: value}))


@pytest.mark.parametrize(
    "sections",
    [
        {"llm": {"model": "a\0b"}}, {"llm": {}, "judge": {"rubric": "a\0b"}},
        {"extract": {"language": {"model": "a\0b"}}}, {"publish": {"tokenizer": "a\0b"}},
    ],
)  # fmt: skip
def test_a_name_with_a_nul_is_refused_wherever_it_stands(tmp_path: Path, sections: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="NUL"):
        load(write_config(tmp_path, [{"source": "s", "uri": "pages"}], **sections))


def names(folder: Path, pattern: str) -> list[str]:
    return [str(Path(found.uri).relative_to(folder)) for found in find_inputs(str(folder / pattern))]


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with links that lead out of it, back to itself, and to a folder and a file of its own."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jsonl").touch()
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.jsonl").touch()
    (tmp_path / "in" / "sub" / "b.jsonl").touch()
    for name, target in (("out", "../outside"), ("loop", "."), ("own", "sub"), ("same.jsonl", "sub/b.jsonl")):
        (tmp_path / "in" / name).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize("pattern", ["in", "in/**/*", "in/**", "in/**/*.jsonl"])
def test_a_folder_is_read_without_the_folders_that_it_links_to(linked: Path, pattern: str) -> None:
    assert names(linked, pattern) == ["in/a.jsonl", "in/same.jsonl", "in/sub/b.jsonl"]


@pytest.mark.parametrize("pattern", ["in/out", "in/out/*.jsonl", "in/out/**/*", "i*/out/*", "in/o?t/secret.jsonl"])
def test_a_link_that_is_named_is_followed(linked: Path, pattern: str) -> None:
    assert names(linked, pattern) == ["in/out/secret.jsonl"]


@pytest.mark.parametrize("pattern", ["in/*.jsonl", "in/**.jsonl", "in/[as]*.jsonl", "in/?*.jsonl"])
def test_stars_within_a_name_stay_in_its_folder(linked: Path, pattern: str) -> None:
    assert names(linked, pattern) == ["in/a.jsonl", "in/same.jsonl"]


@pytest.mark.parametrize("name", [b"a\xff.jsonl", b"a\nKEPT.jsonl", b"a\x1b[2J.jsonl", b"a\x7f.jsonl"])
def test_a_file_whose_name_cannot_be_written_down_is_refused_at_once(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    with pytest.raises(ConfigError, match="rename the file") as caught:
        find_inputs(str(tmp_path))
    assert str(caught.value).isprintable()


def test_files_are_named_by_keys_and_numbers_whatever_documents_are_called(tmp_path: Path) -> None:
    rows = [{"text": f"a b c {n}", "url": name, "id": f"../../{name}"} for n, name in enumerate([*HOSTILE, "../../x"])]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"source": "s", "uri": "a.jsonl", "fields": {"url": "url", "id": "id"}}
    result, _ = run_inline(write_config(tmp_path, [source], measure=[], dedup=None))
    assert result.kept == len(rows)
    made = [p.relative_to(folder) for folder in (result.work, result.output) for p in folder.rglob("*")]
    assert [p for p in made if not all(re.fullmatch(r"[A-Za-z0-9_.-]+", part) for part in p.parts)] == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "config.yaml", "out", "work"]


def test_prefects_pages_show_a_name_letter_for_letter() -> None:
    from flows.artifacts import escaped  # Prefect takes 2 s to import.

    for name in HOSTILE:
        tags, text = rendered(f"Report: {escaped(name)}")
        assert tags == {"p"}
        assert text.strip() == f"Report: {printable(name.replace(chr(10), ' '))}"
