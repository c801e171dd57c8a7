"""Values of every filter, and what every transform makes, on a fixed set of texts: a change without a new version would
mix two meanings under one name, and the shards already measured would be taken for current.

What is new, or has a raised version, is recorded with
`CURATE_GOLDEN=write python -m pytest tests/filters/test_golden.py`. It keeps what is recorded for versions that still
exist; a changed value of an old version is refused there too.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from filters import FILTERS, TRANSFORMS, TextBatch
from filters.words import COMPILED_WORDS
from tests.filters.test_transforms import texts_of

GOLDEN = Path("tests/data/golden/filters.json")
WORDS = f"words.{COMPILED_WORDS.name}.{COMPILED_WORDS.version}"
"""Values of filters hang on the words, so each version of the word rule has golden values of its own."""


URLS = (
    "",
    "https://www.a1.b.example.org/one/two-3.html?q=4",
    "http://192.0.2.7:80//x",
    "example.org",
    "//[2001:db8::1]/",
)


def measured(texts: list[str]) -> dict[str, Any]:
    batch = TextBatch.of(texts, urls=[URLS[i % len(URLS)] for i in range(len(texts))])
    values: dict[str, Any] = {"words": [batch.text_of(batch.words, i) for i in range(len(texts))]}
    values |= {chosen.column: chosen.measure(batch).tolist() for chosen in FILTERS.values()}
    return values | {chosen.label: texts_of(chosen.apply(batch)) for chosen in TRANSFORMS.values()}


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    if os.environ.get("CURATE_GOLDEN") == "write":
        now = measured(loaded["texts"])
        old = loaded.get(WORDS, {})
        loaded = {"texts": loaded["texts"], WORDS: {column: old.get(column, now[column]) for column in sorted(now)}}
        lines = json.dumps(loaded, ensure_ascii=True, indent=1)
        GOLDEN.write_text(lines + "\n", "utf-8")
    return loaded


def test_the_texts_cover_what_filters_look_at(stored: dict[str, Any]) -> None:
    assert len(stored["texts"]) >= 20
    assert {"", " \n\t "} <= set(stored["texts"])


NAMES = {"words", *(f.column for f in FILTERS.values()), *(t.label for t in TRANSFORMS.values())}


@pytest.mark.parametrize("column", sorted(NAMES))
def test_values_are_as_recorded(column: str, stored: dict[str, Any]) -> None:
    golden = stored.get(WORDS, {})
    assert column in golden, f"{column} is new: record it with CURATE_GOLDEN=write (see the top of this file)"
    wrong = [
        i for i, (a, b) in enumerate(zip(golden[column], measured(stored["texts"])[column], strict=True)) if a != b
    ]
    assert not wrong, (
        f"{column}: the values of texts {wrong} changed; raise the version of the "
        f"{'word rule' if column == 'words' else 'filter'} and record it with CURATE_GOLDEN=write"
    )


def test_nothing_is_recorded_that_no_longer_exists(stored: dict[str, Any]) -> None:
    assert set(stored) == {"texts", WORDS}
    assert set(stored[WORDS]) == NAMES, "record the present filters with CURATE_GOLDEN=write"
