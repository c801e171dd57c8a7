"""Lines that many texts have leave all but one: against plain counting, in any parts, ranges and order."""

import random
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.config import ExecutionConfig, LinesConfig
from curate.errors import CurateError
from curate.lineage import text_hash
from curate.schema import REJECTED
from curate.stages import lines
from curate.storage import Store
from tests.curate.stages_harness import document, part, rows_of, run_inline

PIECES = ["cookie notice", "Cookie  NOTICE", "share 12", "share 99", "ab", "alone", "", " "]
URLS = [None, "http://a.org/1", "https://www.A.org/2", "http://b.org/1"]
DOCUMENTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("\n".join),
        st.sampled_from("st"),
        st.sampled_from(URLS),
    ),
    max_size=12,
)
CONFIGS = st.builds(
    LinesConfig, min_documents=st.integers(2, 4), min_characters=st.just(3),
    scope=st.sampled_from(["corpus", "source", "host"]),
)  # fmt: skip
HOST = {None: None, "http://a.org/1": "a", "https://www.A.org/2": "a", "http://b.org/1": "b"}


def compared(line: str) -> str:
    return " ".join("".join("0" if c.isdigit() else c.lower() for c in line).split())


def expected(rows: list[tuple[str, str, str | None]], config: LinesConfig) -> list[list[str]]:
    """The lines that are not white space alone of each document afterwards."""
    scopes = [{"corpus": "", "source": source, "host": HOST[url]}[config.scope] for _, source, url in rows]
    texts = defaultdict(set)
    for (text, _, _), scope in zip(rows, scopes, strict=True):
        for line in map(compared, text.split("\n")):
            if scope is not None and len(line) >= config.min_characters:
                texts[scope, line].add(text_hash(text))
    keeper = {each: min(found) for each, found in texts.items() if len(found) >= config.min_documents}
    return [
        [line for line in text.split("\n")
         if compared(line) and keeper.get((scope, compared(line)), text_hash(text)) == text_hash(text)]
        for (text, _, _), scope in zip(rows, scopes, strict=True)
    ]  # fmt: skip


def trimmed(
    root: Path, rows: list[tuple[str, str, str | None]], config: LinesConfig, size: int, partitions: int | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The documents in order, in parts of `size`, and TRIMMED of all parts."""
    store = Store(root)
    # Equal parts are one, and count once: a licence of its own makes a document another one.
    documents = [document(t, source=source, url=url, license=str(n)) for n, (t, source, url) in enumerate(rows)]
    parts = [part(store, str(n), documents[n : n + size]) for n in range(0, len(rows), size)]
    execution = ExecutionConfig(partitions=partitions, batch_documents=3)
    counted = run_inline(store, lines.count_tasks(parts, config, execution))
    found = run_inline(store, lines.boilerplate_tasks(parts, counted, config, execution))
    done = run_inline(store, lines.trim_tasks(parts, found, config))
    assert [commit.counts["in"] for commit in done] == [each.size for each in parts]
    frames = [pl.concat([pl.read_parquet(store.path(s.name)) for s in c.of("documents")]) for c in done]
    assert sum(commit.counts["trimmed"] for commit in done) == sum(
        pl.read_parquet(store.path(s.name))["times"].sum() for c in done for s in c.of("trimmed")
    )
    return pl.concat(frames) if frames else pl.DataFrame(), rows_of(store, done, "trimmed")


@settings(max_examples=60)
@given(DOCUMENTS, CONFIGS, st.integers(1, 12), st.sampled_from([None, 1, 4]), st.randoms(use_true_random=False))
def test_what_leaves_is_what_plain_counting_says_in_any_parts_and_order(
    rows: list[tuple[str, str, str | None]], config: LinesConfig, size: int, partitions: int | None,
    chance: random.Random,
) -> None:  # fmt: skip
    chance.shuffle(rows)
    with TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "RUN_LINES", chance.choice([1, 4, 1 << 21]))
        found, left = trimmed(Path(root), rows, config, size, partitions)
    if not rows:
        return
    before = [row[0] for row in rows]
    after = found["text"].to_list()
    staying = expected(rows, config)
    removed = 0
    for old, new, hashed, labels, lines_left in zip(
        before, after, found["text_hash"], found["transforms"], staying, strict=True
    ):
        assert [line for line in new.split("\n") if compared(line)] == lines_left
        loses = len([line for line in old.split("\n") if compared(line)]) - len(lines_left)
        removed += loses
        assert (labels.to_list() == [lines.LABEL]) == (loses > 0)
        assert loses or new == old
        assert hashed == text_hash(new)
    assert removed == (left["times"].sum() if len(left) else 0)


def test_copies_of_a_text_stay_copies(tmp_path: Path) -> None:
    rows: list[tuple[str, str, str | None]] = [
        (f"cookie notice of ours\nthe story {'abcd'[n % 4]}", "s", f"http://{n}.org/") for n in range(12)
    ]
    found, left = trimmed(tmp_path, rows, LinesConfig(min_documents=4), 5, None)
    by_text = found.group_by("text").len()
    assert sorted(by_text["len"]) == [3, 3, 3, 3]
    assert found["text"].str.contains("cookie").sum() == 3
    assert (left["times"].sum(), set(left["characters"] // left["times"])) == (9, {len("cookie notice of ours")})
    few, _ = trimmed(tmp_path, rows, LinesConfig(min_documents=5), 5, None)
    assert few["text"].to_list() == [row[0] for row in rows]


def test_other_rows_and_counts_pass_through(tmp_path: Path) -> None:
    store, rejected = Store(tmp_path), REJECTED.empty_table().from_pylist([{"reason": "extract.no_text"}], REJECTED)
    parts = [part(store, "a", [document("one line that is long enough")], rejected=rejected)]
    config, execution = LinesConfig(min_documents=2), ExecutionConfig()
    counted = run_inline(store, lines.count_tasks(parts, config, execution))
    found = run_inline(store, lines.boilerplate_tasks(parts, counted, config, execution))
    [done] = run_inline(store, lines.trim_tasks(parts, found, config))
    assert (done.counts["in"], done.rows("documents"), done.rows("rejected")) == (2, 1, 1)


def test_more_lines_than_a_worker_may_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST", 0)
    rows: list[Any] = [(f"cookie notice of ours\n{n}", "s", None) for n in range(3)]
    with pytest.raises(CurateError, match=r"1 lines stand in 2 texts or more, expected at most 0.*raise min_documents"):
        trimmed(tmp_path, rows, LinesConfig(min_documents=2), 5, None)
