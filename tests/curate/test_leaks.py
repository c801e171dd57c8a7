"""No secret leaves the environment, and no text of a document leaves the datasets that must hold it (promise P7).

Whole runs in a process of their own, which write below one folder; then every byte of it is searched.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canary import Place, find
from tests.curate.leak_ground import ANSWERS, NEVER_STORED, SECRETS, STORED, WORDS, Ground, answers, ground
from tests.fake_llm import FakeLlm, serve

HOLDS_TEXT = re.compile(
    r"run/(work/stages/(extract|isolate|synthesize)/\w+/documents-\d+\.parquet"
    r"|work/stages/(arrange|publish)/\w+/(rows|data)-\d+\.parquet"
    r"|out/(versions/\w+/data|shards)/[\w-]+\.parquet)"
)
HOLDS_ANSWERS = re.compile(r"run/work/responses/answers\.sqlite(-wal)?")
"""Raw replies are kept there, and nowhere else where they were turned away."""


def leaks(made: Ground) -> list[str]:
    """Places that hold a secret, or a text where none belongs."""
    words = [*SECRETS.values(), *WORDS.values()]
    return [str(place) for place in find(words, made.written) if not _may(place, made)]


def _may(place: Place, made: Ground) -> bool:
    name = str(place.path.relative_to(made.root))
    if place.word in [WORDS[a] for a in ANSWERS] and HOLDS_ANSWERS.fullmatch(name):
        return True
    return place.word in [WORDS[s] for s in (*STORED, "accepted")] and HOLDS_TEXT.fullmatch(name) is not None


def stored(made: Ground, pattern: str) -> set[str]:
    """Names of the documents whose word is found in files that match."""
    places = find(list(WORDS.values()), made.written)
    held = {p.word for p in places if re.search(pattern, str(p.path.relative_to(made.root)))}
    return {name for name, word in WORDS.items() if word in held}


def llm_sections(endpoint: FakeLlm) -> dict[str, object]:
    return {
        "llm": {"endpoint": endpoint.base_url, "retries": 0, "concurrency": 1},
        "judge": {"max_failed_share": 1.0, "keep": {"min": 0.0, "missing": {"not_sampled": "keep", "failed": "keep"}}},
        "synthesize": {"max_documents": 2, "min_words": 20, "max_failed_share": 1.0},
    }


@pytest.fixture(scope="module")
def run() -> Iterator[Ground]:
    """A partial run that publishes, with a server that echoes prompts and the key in its errors."""
    with ground() as made, serve(400, 500, "ok", write=answers()) as llm:
        code = made.curate("run", "run", made.config(**llm_sections(llm)), "--allow-partial")
        assert code == 3, made.printed("run")
        assert llm.keys == {f"Bearer {SECRETS['CURATE_LLM_API_KEY']}"}
        made.curate("explain", "explain", made.root / "run/work", "http://a.example/4")
        yield made


def test_the_inputs_hold_every_word_and_the_scanner_sees_them(run: Ground) -> None:
    found = {place.word for place in find([WORDS[n] for n in (*STORED, *NEVER_STORED)], [run.root / "inputs"])}
    assert found == {WORDS[n] for n in (*STORED, *NEVER_STORED)}


def test_texts_are_where_they_belong(run: Ground) -> None:
    assert stored(run, "stages/extract/.*/documents") == {*STORED} - {"killing"}
    assert stored(run, "out/versions/.*/data") >= {"first", "second", "third", "page"}
    assert stored(run, "stages/synthesize/.*/documents") == {"accepted"}
    assert stored(run, "responses/answers.sqlite") == set(ANSWERS)


def test_the_failed_stage_is_told(run: Ground) -> None:
    assert "b.jsonl: ValueError at curate/" in run.printed("run")
    assert "KEPT" in run.printed("explain")


def test_nothing_else_holds_a_text_or_a_secret(run: Ground) -> None:
    for name in ("run/work/report.html", "run/work/run.json", "run/work/lineage/openlineage.jsonl", "run/out/current"):
        assert (run.root / name).exists()
    assert find(["raylet"], [run.root / "logs"])
    assert leaks(run) == []


def test_no_name_of_a_file_comes_from_a_document(run: Ground) -> None:
    ours = [p.relative_to(run.root / "run") for p in (run.root / "run").rglob("*")]
    assert all(re.fullmatch(r"[a-z0-9_.-]+", part, re.IGNORECASE) for path in ours for part in Path(path).parts)
    assert not any("example" in str(path) for path in ours)


@pytest.mark.slow
def test_under_prefect_its_database_and_logs_hold_nothing_either() -> None:
    with ground() as made, serve(400, 500, "ok", write=answers()) as llm:
        config = made.config(**llm_sections(llm))
        assert made.curate("partial", "run", config, "--prefect", "--allow-partial") == 3, made.printed("partial")
        llm.script, llm.bodies[:] = [401], []
        assert made.curate("refused", "run", config, "--prefect", "--allow-partial") == 1, made.printed("refused")
        assert "HTTP 401; set CURATE_LLM_API_KEY" in made.printed("refused")
        assert stored(made, "out/versions/.*/data") >= {"first", "second", "third", "page"}
        assert find(["ValueError"], [made.root / "prefect"]), "the reason of the failed split stands in the database"
        assert leaks(made) == []


@pytest.mark.slow
def test_a_document_that_kills_its_worker_leaves_no_text_behind() -> None:
    with ground() as made:
        assert made.curate("run", "run", made.config("d.jsonl"), "--allow-partial") == 3, made.printed("run")
        assert "killing" in stored(made, "stages/extract/.*/documents")
        assert find(["quarantined"], [made.root / "console"])
        assert leaks(made) == []


@pytest.mark.slow
def test_with_a_vllm_of_our_own_its_log_holds_nothing_either() -> None:
    with ground() as made:
        sections = {
            "llm": {},
            "judge": {"max_tokens": 64},
            "synthesize": {"max_documents": 2, "max_source_tokens": 64, "max_tokens": 60, "min_words": 5},
        }
        assert made.curate("run", "run", made.config(**sections), "--allow-partial") == 3, made.printed("run")
        assert find(["safetensors"], [made.root / "run/work/responses/logs"])
        assert {"first", "second", "third", "page"} <= stored(made, "out/versions/.*/data")
        # The model may repeat a word of its source in what it writes.
        assert [leak for leak in leaks(made) if "answers.sqlite" not in leak] == []
