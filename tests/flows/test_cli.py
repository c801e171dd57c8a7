"""The `curate` command through Typer's runner and as a process."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

import curate
import filters
from flows.cli import Commands, app

ROOT = Path(__file__).parents[2]
TINY = """\
name: tiny
inputs:
  - {source: docs, uri: pages, format: jsonl, fields: {url: url}}
output: out
work: work
measure:
  - {filter: gopher.word_count, keep: {min: 5}}
dedup: {minhash: {}}
"""
WORDS = "the water of a river runs down to the sea and on its way it carries stones sand and mud"
PAGES = [
    {"url": "http://example.org/long", "text": f"{WORDS}. {WORDS.upper()}."},
    {"url": "http://example.org/copy", "text": f"{WORDS}. {WORDS.upper()}."},
    {"url": "http://example.org/short", "text": "too short"},
]


def curate_command(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path)


def write_tiny(folder: Path) -> Path:
    (folder / "pages").mkdir()
    (folder / "pages/a.jsonl").write_text("".join(json.dumps(page) + "\n" for page in PAGES))
    (folder / "tiny.yaml").write_text(TINY)
    return folder / "tiny.yaml"


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = ["ray", "prefect", "torch", "polars", "numba", "vllm", "curate.api"]
    code = f"import sys, flows.cli; sys.exit(', '.join(m for m in {heavy} if m in sys.modules) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_command_and_the_exit_codes() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for part in ("run", "check", "filters", "explain", "ui", "2 bad config or usage", "3 partial", "130 or 143"):
        assert part in shown.stdout


def test_a_bound_is_set_on_the_command_line(tiny: Path) -> None:
    def checked(setting: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["check", str(tiny), "--set", setting])
        return done.exit_code, done.stdout + done.stderr

    assert checked("by_language.de.gopher.word_count.min=7") == (0, f"docs: 1 objects, {_size(tiny):,} bytes\nok\n")
    code, said = checked("by_language.de.gopher.word_count.min=5")
    assert (code, "min 5 is what deu_Latn inherits anyway" in said) == (0, True)
    code, said = checked("by_language.de.gopher.wordcount.min=5")
    assert (code, "unknown filter 'gopher.wordcount'; did you mean gopher.word_count" in said) == (2, True)


def _size(tiny: Path) -> int:
    return (tiny.parent / "pages/a.jsonl").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere.yaml"], "curate: error: nowhere.yaml: cannot be read"),
        (["check", "nowhere.yaml"], "curate: error: nowhere.yaml: cannot be read"),
        (["run", "nowhere.yaml", "--prefect"], "curate: error: nowhere.yaml: cannot be read"),
        (["run"], "Missing argument"),
        (["run", "x.yaml", "--wrokers", "2"], "No such option"),
        (["run", "x.yaml", "--workers", "0"], "--workers"),
        (["run", "configs/quickstart.yaml", "--memory", "2 gigs"], "--memory: '2 gigs' is no size"),
        (["run", "configs/quickstart.yaml", "--memory", "100MB"], "--memory: 100,000,000 bytes; a worker needs"),
        (["runn", "x.yaml"], "No such command"),
        (["filters", "gopher.word_cuont"], "did you mean gopher.word_count"),
        (["ui", "--port", "0"], "--port"),
    ],
)
def test_bad_config_and_bad_usage_exit_2(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_wrong_key_is_told_without_traceback(tiny: Path) -> None:
    tiny.write_text(TINY.replace("dedup:", "dedupe:"))
    done = CliRunner().invoke(app, ["run", str(tiny)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"curate: error: {tiny}:8: dedupe: unknown key; did you mean 'dedup'?" in done.stderr
    assert not (tiny.parent / "work").exists()


def broken_app() -> typer.Typer:
    broken = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @broken.command()
    def fail(how: str) -> None:
        if how == "defect":
            raise ValueError("text of a document")
        if how == "disk":
            raise OSError(28, "No space left on device", "/some/file")
        raise KeyboardInterrupt

    @broken.command()
    def other() -> None: ...

    return broken


@pytest.mark.parametrize(
    ("how", "said", "code"),
    [
        ("defect", "curate: error: ValueError at tests/flows/test_cli.py:", 1),
        ("disk", "curate: error: No space left on device: /some/file; free space and run again", 1),
        ("interrupt", "curate: error: stopped; run the same command again", 130),
    ],
)
def test_the_unexpected_ends_with_a_line_and_quotes_no_document(
    how: str, said: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURATE_DEBUG", raising=False)
    done = CliRunner().invoke(broken_app(), ["fail", how])
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "text of a document" not in done.stderr
    assert ("CURATE_DEBUG=1" in done.stderr) == (how == "defect")


def test_debugging_shows_the_traceback() -> None:
    done = CliRunner().invoke(broken_app(), ["fail", "defect"], env={"CURATE_DEBUG": "1"})
    assert done.exit_code == 1
    assert "Traceback" in done.stderr


def test_check_counts_what_is_there_and_starts_nothing(tiny: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(tiny)])
    size = (tiny.parent / "pages/a.jsonl").stat().st_size
    assert (done.exit_code, done.stdout) == (0, f"docs: 1 objects, {size} bytes\nok\n")
    assert not (tiny.parent / "work").exists()


@pytest.mark.parametrize(
    ("wrong", "said", "code"),
    [
        (TINY.replace("uri: pages", "uri: pgaes"), "pgaes: nothing there", 2),
        (TINY.replace("uri: pages", "uri: empty"), "no files there", 2),
        (TINY + "llm: {}\njudge: {rubric: educatoinal}\n", "prompt 'educatoinal'", 2),
        (
            TINY + "llm: {}\njudge: {keep: {min: 1.5, missing: {not_sampled: keep, failed: keep}}}\n",
            "judge.keep.min: 1.5 is outside what educational can give: 0.0..1.0",
            2,
        ),
        (TINY + "llm: {model: ./model}\njudge: {}\n", "llm.model", 1),
        (TINY + "llm: {}\njudge: {}\nsynthesize: {prompt: ./no.md}\n", "no.md", 2),
        (TINY.replace("uri: pages, format: jsonl", "uri: other"), "no format known", 2),
    ],
)
def test_check_names_what_is_missing(tiny: Path, wrong: str, said: str, code: int) -> None:
    (tiny.parent / "empty").mkdir()
    (tiny.parent / "other").mkdir()
    (tiny.parent / "other/a.bin").touch()
    tiny.write_text(wrong)
    done = CliRunner().invoke(app, ["check", str(tiny)])
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    if "judge" in wrong:
        started = CliRunner().invoke(app, ["run", str(tiny)])
        assert (started.exit_code, started.stderr) == (code, done.stderr)
        assert not (tiny.parent / "work").exists()


def test_filters_lists_every_one() -> None:
    measures, rewrites, hint = CliRunner().invoke(app, ["filters"]).stdout.strip().split("\n\n")
    assert [line.split()[0] for line in measures.splitlines()] == ["filter", *sorted(filters.FILTERS)]
    assert [line.split()[0] for line in rewrites.splitlines()] == ["transform", *sorted(filters.TRANSFORMS)]
    assert "curate filters NAME" in hint


@pytest.mark.parametrize("name", sorted(filters.FILTERS))
def test_a_filter_in_full(name: str) -> None:
    shown = CliRunner().invoke(app, ["filters", name])
    assert shown.exit_code == 0
    for part in (name, filters.FILTERS[name].doc, filters.FILTERS[name].unit, filters.FILTERS[name].column):
        assert part in shown.stdout


@pytest.mark.parametrize("name", sorted(filters.TRANSFORMS))
def test_a_transform_in_full(name: str) -> None:
    shown = CliRunner().invoke(app, ["filters", name])
    assert shown.exit_code == 0
    before, after = shown.stdout.split("\nbecomes\n")
    assert filters.TRANSFORMS[name].doc in before
    assert filters.TRANSFORMS[name].label in before
    assert after.strip()


def test_a_filter_that_does_not_exist() -> None:
    done = CliRunner().invoke(app, ["filters", "length.wrods"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean length.words" in done.stderr


def test_explain_without_a_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(tmp_path), "http://example.org/"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no ledger here" in done.stderr


def test_a_work_folder_that_is_in_use(tiny: Path) -> None:
    lock = tiny.parent / "work/lock"
    lock.parent.mkdir()
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = CliRunner().invoke(app, ["run", str(tiny)])
    assert done.exit_code == 1
    assert "in use by" in done.stderr


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", f"{tmp_path}/\x1b[2Jclear.yaml"])
    assert "\x1b" not in done.stderr
    assert "\\x1b[2Jclear.yaml" in done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    config = write_tiny(tmp_path_factory.mktemp("finished"))
    return config, curate_command("run", config, "--json", "--workers", "1")


def test_a_run_prints_its_result_and_nothing_else(
    finished: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    config, done = finished
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["records_in"], result["kept"], result["rejected"]) == (3, 1, 2)
    assert result["exit_code"] == 0
    assert "extract 0/1" in done.stderr.splitlines()
    rows = pl.read_parquet(config.parent / f"out/versions/{result['version']}/data/*.parquet")
    assert rows["url"].to_list() == ["http://example.org/long"] or rows["url"].to_list() == ["http://example.org/copy"]


def test_a_second_run_does_nothing_and_says_so(finished: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    config, first = finished
    code = (
        "import sys, flows.cli\n"
        "try: flows.cli.main()\n"
        "finally: print([m for m in ('prefect', 'torch', 'vllm') if m in sys.modules])"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, "run", "tiny.yaml"],
        cwd=config.parent, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    *summary, imported = again.stdout.splitlines()
    assert imported == "[]"
    assert summary[0] == "3 records in: 1 kept, 2 rejected, 0 quarantined"
    assert "everything is done already" in summary
    version = json.loads(first.stdout)["version"]
    assert f"version: {config.parent}/out/versions/{version}" in summary
    assert f"report:  {config.parent}/work/report.html" in summary


def test_rehash_reads_the_inputs_again(finished: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    config, _ = finished
    source = config.parent / "pages/a.jsonl"
    before = source.stat()
    changed = source.read_text().replace("too short", "too SHORT")
    source.write_text(changed)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    unseen = json.loads(curate_command("run", config, "--json").stdout)
    seen = json.loads(curate_command("run", config, "--json", "--rehash").stdout)
    assert [sum(s["executed"] for s in r["stages"]) > 0 for r in (unseen, seen)] == [False, True]


def test_explain_says_why(finished: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    config, _ = finished
    work = str(config.parent / "work")
    shown = CliRunner().invoke(app, ["explain", work, "http://example.org/short"])
    assert shown.exit_code == 0
    assert "gopher.word_count" in shown.stdout.splitlines()[0]
    as_json = CliRunner().invoke(app, ["explain", work, "http://example.org/short", "--json"])
    assert json.loads(as_json.stdout) == curate.explain(work, "http://example.org/short")
    unknown = CliRunner().invoke(app, ["explain", work, "http://example.org/shrot"])
    assert unknown.exit_code == 1
    assert "http://example.org/short" in unknown.stderr


def test_a_split_that_fails_exits_3(tiny: Path) -> None:
    (tiny.parent / "bad.parquet").write_bytes(b"PAR1 not really")
    more = "  - {source: bad, uri: bad.parquet}\noutput:"
    tiny.write_text(TINY.replace("output:", more))
    refused = curate_command("run", tiny)
    assert refused.returncode == 3
    assert "bad.parquet" in refused.stderr
    assert "--allow-partial" in refused.stderr
    assert not (tiny.parent / "out").exists()
    allowed = curate_command("run", tiny, "--allow-partial")
    assert allowed.returncode == 3, allowed.stderr
    assert "failed: " in allowed.stdout
    assert (tiny.parent / "out/current").is_symlink()


def test_other_inputs_and_folders_by_the_command_line(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/b.jsonl").write_text(json.dumps(PAGES[0]) + "\n")
    done = curate_command(
        "run", tiny, "--input", "docs=mine", "--output", "o", "--work", "w", "--no-llm", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["records_in"], result["output"], result["work"]) == (1, str(tmp_path / "o"), str(tmp_path / "w"))
    assert not (tiny.parent / "out").exists()
