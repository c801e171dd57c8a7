import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from curate.errors import ConfigError
from curate.judging import gold

GOOD: dict[str, Any] = {"id": "a", "text": "A text.", "label": 1.0}
BAD: dict[str, Any] = {"id": "b", "text": "txet A", "label": 0.0}


def written(path: Path, *rows: Any) -> Path:
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    data = lines.encode()
    path.write_bytes(zstandard.compress(data) if path.suffix == ".zst" else data)
    return path


@pytest.mark.parametrize("name", ["gold.jsonl", "gold.jsonl.zst"])
def test_a_set_is_read_whole_whatever_it_is_packed_in(tmp_path: Path, name: str) -> None:
    found = gold.load(written(tmp_path / name, GOOD, BAD))
    assert [text.id for text in found.texts] == ["a", "b"]
    assert [text.part for text in found.texts] == ["held_out", "held_out"]
    assert found.hash == gold.load(written(tmp_path / "other.jsonl", BAD, "", GOOD)).hash


@pytest.mark.parametrize("change", [{"text": "Another."}, {"label": 0.9}, {"part": "choose"}, {"group": "g"}])
def test_any_change_is_another_set(tmp_path: Path, change: dict[str, Any]) -> None:
    one = gold.load(written(tmp_path / "one.jsonl", GOOD, BAD))
    assert gold.load(written(tmp_path / "two.jsonl", GOOD | change, BAD)).hash != one.hash


def test_grades_by_name_are_worth_what_the_first_line_says(tmp_path: Path) -> None:
    grades = {"labels": {"poor": 0, "fair": 0.5, "fine": 1}}
    path = written(tmp_path / "g.jsonl", grades, GOOD | {"label": "fair"}, BAD | {"label": "poor"})
    assert [text.label for text in gold.load(path).texts] == [0.5, 0.0]


@pytest.mark.parametrize(("rows", "said"), [
    ([GOOD, "{"], r":2: no JSON"),
    ([GOOD, "[]"], r":2: list; expected an object"),
    ([GOOD, BAD | {"label": 2.0}], r":2: label: Input should be less"),
    ([GOOD, BAD | {"label": "bad"}], r":2: label: Input should be a valid number"),
    ([GOOD, BAD | {"colour": 1}], r":2: colour: Extra"),
    ([GOOD, BAD | {"part": "test"}], r":2: part: "),
    ([GOOD, {"id": "b"}], r":2: text: Field required"),
    ([GOOD, BAD | {"id": "a"}], r":2: id 'a' stands in line 1 already"),
    ([GOOD | {"group": "g", "part": "choose"}, BAD | {"group": "g"}], r":2: group 'g' is in part choose above"),
    ([{"labels": {"poor": 0, "fine": 3}}, GOOD], r":1: expected .*0\.\.1"),
    ([{"labels": {"poor": 0, "fine": 1}}, GOOD | {"label": "fair"}], r":2: label 'fair' is not declared"),
    ([GOOD], "all on one side"),
])  # fmt: skip
def test_a_wrong_line_is_named_and_its_text_is_not_shown(tmp_path: Path, rows: list[Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        gold.load(written(tmp_path / "gold.jsonl", *rows))
    assert "A text." not in str(raised.value)


@pytest.mark.parametrize(("data", "said"), [
    (b"\xff", "not UTF-8"), (b"", "no JSON"), (None, "No such file"),
])  # fmt: skip
def test_what_is_no_set_is_refused(tmp_path: Path, data: bytes | None, said: str) -> None:
    path = tmp_path / "gold.jsonl"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        gold.load(path)


@pytest.mark.parametrize("data", [b"plain", zstandard.compress(b"{}" * 99)[:-3]])
def test_a_broken_zstd_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "gold.jsonl.zst").write_bytes(data)
    with pytest.raises(ConfigError, match=r"no whole zstd|no JSON"):
        gold.load(tmp_path / "gold.jsonl.zst")


def test_the_shipped_set_is_what_its_page_says() -> None:
    found = gold.load()
    page = gold.SHIPPED.with_name("README.md").read_text(encoding="utf-8")
    assert f"{len(found.texts)} texts" in page
    assert found.hash in page
    for kind, number in Counter(text.kind for text in found.texts).items():
        assert f"| `{kind}` | {number} |" in page
    assert gold.SHIPPED.stat().st_size <= 250_000


def test_the_shipped_set_is_balanced_and_no_page_is_on_both_sides() -> None:
    texts = gold.load().texts
    assert len(texts) >= 300
    assert all(200 <= len(text.text) <= 1500 for text in texts if text.is_good)
    assert 0.4 <= sum(text.lang == "eng_Latn" for text in texts) / len(texts) <= 0.6
    for part in gold.PARTS:
        of_part = [text for text in texts if text.part == part]
        assert 0.4 <= len(of_part) / len(texts) <= 0.6
        assert 0.4 <= sum(text.is_good for text in of_part) / len(of_part) <= 0.6
        assert len({text.kind for text in of_part}) == 6
