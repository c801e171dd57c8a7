"""docs/INPUT.md says what happens to odd input; here every row of its table happens."""

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import curate
from curate import readers
from curate.config import ExtractConfig
from curate.errors import InputError
from curate.stages import extract
from tests.curate.readers.objects import split_of
from tests.curate.runs import ROOT, write_config
from tests.curate.stages.test_extract import Tables, config_of
from tests.input_cases import EXAMPLES, FIRST, LAST, Example, write

PAGE = (ROOT / "docs" / "INPUT.md").read_text()
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
POLICY = re.compile(
    r"kept as is|normalised to .+|quarantined `([a-z0-9_.]+)`|rejected `([a-z0-9_.]+)`|skipped `([a-z0-9_]+)`"
    r"|the object fails"
)
SHOWN = "before after|human|Menschen|xxx"
"""Of the texts, what no message may show."""

POLICIES = {slug: policy.strip() for slug, _, policy, _ in ROW.findall(PAGE)}


def extracted(data: bytes, codec: str | None, example: Example) -> Tables:
    """The object through the real readers and the real stage, as one split a range."""
    found = Tables()
    for span in readers.ranges(io.BytesIO(data), len(data), example.format, codec, 10**9) or [(0, 0)]:  # type: ignore[arg-type]
        split = split_of(data, example.format, codec, span, **example.source)
        settings = ExtractConfig(max_document_bytes=example.max_document_bytes)
        extract.extract(io.BytesIO(data), split, config_of(split.input, settings), found)
    written = sum(len(found.rows(kind)) for kind in ("documents", "rejected", "quarantined"))
    assert found.counts["in"] == written, "P1: in = kept + rejected + quarantined"
    return found


def outcome(data: bytes, codec: str | None, example: Example) -> tuple[str, Mapping[str, Any]]:
    """(what happened to the odd one, its row); the good ones must be there, and nothing else."""
    try:
        found = extracted(data, codec, example)
    except InputError as error:
        return "the object fails", {"message": str(error)}
    texts = [row["text"] for row in found.rows("documents")]
    assert sum(text in (FIRST, LAST) for text in texts) == example.good
    odd: list[tuple[str, Mapping[str, Any]]] = [
        ("kept", row) for row in found.rows("documents") if row["text"] not in (FIRST, LAST)
    ]
    for kind in ("rejected", "quarantined"):
        odd += [(f"{kind} `{row['reason']}`", row) for row in found.rows(kind)]
    for name, count in found.counts.items():
        if name.startswith("skipped."):
            odd += [(f"skipped `{name.removeprefix('skipped.')}`", {})] * count
    assert len(odd) == 1, [what for what, _ in odd]
    return odd[0]


def equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and (a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


def test_every_row_has_an_example_and_every_example_a_row() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(POLICIES) == len(lines), "a row that is not `case` | input | policy | why, or a case twice"
    assert set(POLICIES) == set(EXAMPLES)
    assert [slug for slug, policy in POLICIES.items() if not POLICY.fullmatch(policy)] == []


@pytest.mark.parametrize("case", EXAMPLES)
def test_odd_input_meets_its_declared_policy(case: str) -> None:
    example = EXAMPLES[case]
    policy = POLICIES[case]
    for data, codec in example.objects:
        happened, row = outcome(data, codec, example)
        if happened != "kept":
            assert happened == policy
            assert not re.search(SHOWN, row.get("detail") or row.get("message", ""))
            continue
        stored = example.says if example.stored is None else example.stored
        assert [(name, row[name]) for name, value in stored.items() if not equal(row[name], value)] == []
        unchanged = all(equal(example.says[name], value) for name, value in stored.items())
        assert ("kept as is" if unchanged else "normalised to") == " ".join(policy.split()[: 3 if unchanged else 2])


def test_objects_that_do_not_fit_are_named_once_with_the_column_and_the_others_are_read(tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for number, score in enumerate(([1.0, 2.0], [1, 2], ["1", "2"])):
        rows = pa.table({"text": [f"{FIRST} {number}", f"{LAST} {number}"], "score": score})
        (inputs / f"{number}.parquet").write_bytes(write(rows))
    (inputs / "3.parquet").write_bytes(write(pa.table({"text": [FIRST], "scores": [1.0]})))
    (inputs / "4.parquet").write_bytes(write(rows)[:-6])
    (inputs / "5.parquet").write_bytes(b"")
    source = {"source": "test", "uri": str(inputs), "extra": {"score": "float64"}}
    config = write_config(tmp_path, [source], measure=[], dedup=None)
    result = curate.run(config, allow_partial=True)
    assert (result.status, result.exit_code) == ("partial", 3)
    expected = {"2.parquet": "column 'score' is string; expected float64", "3.parquet": "no column 'score'",
                "4.parquet": "footer cannot be read"}  # fmt: skip
    assert len(result.failures) == len(expected)
    for failure, (name, said) in zip(sorted(result.failures), expected.items(), strict=True):
        assert said in failure
        assert failure.count(name) == 1
    rows_of = curate.read_ledger(result.work).collect()
    assert sorted(zip(rows_of["object"].str.slice(-9), rows_of["status"], rows_of["reason"], strict=True)) == [
        ("0.parquet", "kept", None), ("0.parquet", "kept", None), ("1.parquet", "kept", None),
        ("1.parquet", "kept", None), ("5.parquet", "quarantined", "parquet.empty"),
    ]  # fmt: skip
