"""What is done is used again exactly as long as nothing that it depends on changed: config, code, inputs."""

import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from curate import clusters, minhash, readers, shards
from curate.stages import arrange, census, dedup, extract, measure, publish, resolve, rewrite, select
from curate.text import language, plain
from tests.curate.inline import run_inline
from tests.curate.runs import committed, published_bytes
from tests.curate.small_corpus import OBJECTS, PARTITIONS, STEPS, config_over, text_of, write_corpus
from tests.fake_llm import serve

ORDER = ["extract", "rewrite", "measure", "sign", "candidates", "verify", "census", "bound",
         "resolve", "select", "ledger", "arrange", "publish"]  # fmt: skip


class Base:
    """A finished run over the small corpus; a test changes a copy of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        write_corpus(root / "corpus")
        self.config = config_over(root / "corpus", root)
        run_inline(self.config)
        self.published = published_bytes(root / "out")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base(tmp_path_factory.mktemp("base") / "run")


@pytest.fixture
def base(finished: Base, tmp_path: Path) -> Path:
    """A copy of the finished run, its config pointing into the copy."""
    shutil.copytree(finished.root, tmp_path / "run", symlinks=True, copy_function=_copy)
    set_in(tmp_path / "run", inputs=[{"source": "small", "uri": str(tmp_path / "run" / "corpus")}])
    assert again(tmp_path / "run") == {"ledger": OBJECTS}  # The one stage that knows where the objects are.
    return tmp_path / "run"


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target)


def set_in(folder: Path, **sections: Any) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


def again(folder: Path) -> Counter[str]:
    return run_inline(folder / "config.yaml")[1]


def check(executed: Counter[str], first: str | None, number: int | None = None) -> None:
    """`first` is the earliest stage that was executed, `number` times."""
    assert next((stage for stage in ORDER if executed[stage]), None) == first
    if first and number is not None:
        assert executed[first] == number


def bound(value: int) -> list[dict[str, Any]]:
    return [STEPS[0] | {"keep": {"min": value, "max": 100_000}}, *STEPS[1:]]


SETTINGS: dict[str, tuple[dict[str, Any], str | None, int | None]] = {
    "nothing": ({}, None, None),
    "workers": ({"execution": {"partitions": PARTITIONS, "workers": 7}}, None, None),
    "partitions": ({"execution": {"partitions": 2}}, "candidates", 2),
    "a bound": ({"measure": bound(60)}, "bound", OBJECTS),
    "another filter": ({"measure": [*STEPS, {"filter": "gopher.hash_ratio"}]}, "measure", OBJECTS),
    "another transform": ({"measure": [*STEPS, {"transform": "invisible.strip"}]}, "rewrite", OBJECTS),
    "another order": ({"measure": [STEPS[-1], *STEPS[:-1]]}, "measure", OBJECTS),
    "bands": ({"dedup": {"minhash": {"bands": 10}}}, "sign", OBJECTS),
    "shingles": ({"dedup": {"minhash": {"shingle": {"normalise": ["lower"]}}}}, "sign", OBJECTS),
    "short texts": ({"dedup": {"minhash": {"min_shingles": 7}}}, "sign", OBJECTS),
    "similarity": ({"dedup": {"minhash": {"min_similarity": 0.7}}}, "verify", 1),
    "a cap": ({"extract": {"max_html_depth": 7}}, "extract", OBJECTS),
    "languages": ({"languages": ["deu_Latn"]}, "bound", OBJECTS),
    "the seed": ({"seed": 5}, "arrange", OBJECTS),
    "row groups": ({"publish": {"validation_share": 0.1, "row_group_rows": 5}}, "publish", 1),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_setting_runs_what_depends_on_it(base: Path, name: str) -> None:
    sections, first, number = SETTINGS[name]
    set_in(base, **sections)
    check(again(base), first, number)


CODE = {
    "extract": [(extract, "VERSION"), (readers, "VERSION"), (plain, "TEXT_VERSION"), (plain, "NORMALISE_VERSION"),
                (language, "VERSION")],
    "rewrite": [(rewrite, "VERSION")],
    "measure": [(measure, "VERSION")],
    "sign": [(minhash, "VERSION")],
    "candidates": [(clusters, "VERSION")],
    "census": [(census, "VERSION")],
    "bound": [(select, "VERSION")],
    "resolve": [(resolve, "VERSION")],
    "arrange": [(arrange, "VERSION")],
    "publish": [(publish, "VERSION")],
}  # fmt: skip


@pytest.mark.parametrize(("first", "place"), [(first, place) for first, places in CODE.items() for place in places])
def test_another_version_of_the_code_runs_what_depends_on_it(
    base: Path, monkeypatch: pytest.MonkeyPatch, first: str, place: tuple[Any, str]
) -> None:
    module, name = place
    monkeypatch.setattr(module, name, getattr(module, name) + 1)
    check(again(base), first)


def test_another_version_of_dedup_runs_it(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "VERSION", dedup.VERSION + 1)
    assert {"sign", "candidates", "verify"} <= set(again(base))


DECIDING = {"bound", "resolve", "select"}
HASHES = {"filter": "gopher.hash_ratio"}
FILTERS: dict[str, list[dict[str, Any]]] = {
    "added": [*STEPS, HASHES],
    "added with a bound": [*STEPS, HASHES | {"keep": {"max": 0.0}}],
    "removed": STEPS[1:],
    "with another bound": bound(92),
    "moved behind the transform": [STEPS[0], STEPS[-1], *STEPS[1:-1]],
}


@pytest.mark.parametrize("transform", [True, False], ids=["with a transform", "without"])
@pytest.mark.parametrize("name", FILTERS)
def test_other_filters_compare_no_text_again(base: Path, tmp_path: Path, name: str, *, transform: bool) -> None:
    def of_texts(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [step for step in steps if transform or "filter" in step]

    if not transform:
        set_in(base, measure=of_texts(STEPS))
        assert again(base)["sign"] == OBJECTS
    set_in(base, measure=of_texts(FILTERS[name]))
    assert set(again(base)) <= {"measure", *DECIDING, "ledger", "arrange", "publish"}
    again(config_over(base / "corpus", tmp_path / "fresh", measure=of_texts(FILTERS[name])).parent)
    assert published_bytes(base / "out") == published_bytes(tmp_path / "fresh/out")


def test_another_filter_asks_no_model_again(base: Path) -> None:
    with serve(write=lambda body: text_of(1000 + zlib.crc32(json.dumps(body).encode()))) as fake:
        keep = {"min": 0.0, "missing": {"not_sampled": "keep", "failed": "reject"}}
        set_in(base, llm={"endpoint": fake.base_url}, judge={"max_documents": 6, "keep": keep},
               synthesize={"max_documents": 3, "min_words": 20})  # fmt: skip
        assert {"judge", "synthesize"} <= set(again(base))
        asked = fake.asked
        set_in(base, measure=[*STEPS, HASHES])
        assert set(again(base)) == {"measure", *DECIDING, "weigh", "ledger"}
        assert fake.asked == asked > 0


def test_texts_that_were_deleted_come_back_row_for_row(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = base / "work/stages/rewrite"
    before, published = committed(base / "work"), published_bytes(base / "out")
    names = {name for name in before if name.startswith(str(texts))}
    stored = {name: Path(name).read_bytes() for name in names}
    assert len(stored) > OBJECTS
    shutil.rmtree(texts)
    # Were the rows written one by one, each of them would be a shard.
    monkeypatch.setattr(shards, "SHARD_BYTES", 1)
    set_in(base, execution={"partitions": PARTITIONS, "batch_documents": 1})
    assert again(base) == {"rewrite": OBJECTS}
    assert {name: Path(name).read_bytes() for name in names} == stored
    assert published_bytes(base / "out") == published


def _append(folder: Path) -> None:
    with (folder / "object-00003.jsonl").open("a") as stream:
        stream.write('{"text": "One more text."}\n')


def _same_size(folder: Path) -> None:
    path = folder / "object-00003.jsonl"
    path.write_bytes(path.read_bytes().replace(b"river", b"RIVER").replace(b"winter", b"WINTER"))


def _touch(folder: Path) -> None:
    os.utime(folder / "object-00003.jsonl", (1, 1))


def _rename(folder: Path) -> None:
    (folder / "object-00003.jsonl").rename(folder / "aaa.jsonl")


def _sorts_first(folder: Path) -> None:
    (folder / "aaa.jsonl").write_text('{"text": "One more text."}\n')


def _remove(folder: Path) -> None:
    (folder / "object-00003.jsonl").unlink()


INPUTS: dict[str, tuple[Callable[[Path], None], str | None, int | None]] = {
    "a line more": (_append, "extract", 1),
    "other bytes of the same number": (_same_size, "extract", 1),
    "touched": (_touch, None, None),
    "renamed": (_rename, "ledger", None),
    "an object more, which sorts first": (_sorts_first, "extract", 1),
    "an object less": (_remove, "candidates", PARTITIONS),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_changed_input_runs_what_depends_on_it(finished: Base, base: Path, name: str) -> None:
    change, first, number = INPUTS[name]
    change(base / "corpus")
    check(again(base), first, number)
    same = published_bytes(base / "out") == finished.published
    assert same == (first in (None, "ledger"))
