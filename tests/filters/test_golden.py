"""Values of every filter, and what every transform makes, on 200 texts: hand-made ones, then pages of the sample in the
languages that it has. A change without a new version would mix two meanings under one name, and the shards already
measured would be taken for current. Of words and of new texts the pages have hashes.

What is new, or has a raised version, is recorded with
`CURATE_GOLDEN=write python -m pytest tests/filters/test_golden.py`. It keeps what is recorded for versions that still
exist; a changed value of an old version is refused there too.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from filters import FILTERS, TRANSFORMS, TextBatch
from filters.words import COMPILED_WORDS
from tests.filters.test_transforms import texts_of

GOLDEN = Path("tests/data/golden/filters.json")
WORDS = f"words.{COMPILED_WORDS.name}.{COMPILED_WORDS.version}"
"""Values of filters hang on the words, so each version of the word rule has golden values of its own."""

MADE = 36
"""Hand-made texts, which come first."""

URLS = (
    "",
    "https://www.a1.b.example.org/one/two-3.html?q=4",
    "http://192.0.2.7:80//x",
    "example.org",
    "//[2001:db8::1]/",
)


def measured(texts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Column -> a value for each (language, text)."""
    urls = [URLS[i % len(URLS)] for i in range(len(texts))]
    batch = TextBatch.of([text for _, text in texts], langs=[lang for lang, _ in texts], urls=urls)
    values: dict[str, Any] = {"words": short([batch.text_of(batch.words, i) for i in range(len(texts))])}
    values |= {chosen.column: chosen.measure(batch).tolist() for chosen in FILTERS.values()}
    return values | {chosen.label: short(texts_of(chosen.apply(batch))) for chosen in TRANSFORMS.values()}


def short(values: list[Any]) -> list[Any]:
    """Those of the pages as hashes."""
    made, pages = values[:MADE], values[MADE:]
    return made + [hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16] for value in pages]


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    if os.environ.get("CURATE_GOLDEN") == "write":
        now = measured(loaded["texts"])
        old = loaded.get(WORDS, {})
        values = {column: old.get(column, now[column]) for column in sorted(now)}
        texts = ",\n".join(json.dumps(text) for text in loaded["texts"])
        columns = ",\n".join(f"{json.dumps(name)}: {json.dumps(column)}" for name, column in values.items())
        GOLDEN.write_text(f'{{"texts": [\n{texts}\n],\n{json.dumps(WORDS)}: {{\n{columns}\n}}}}\n', "utf-8")
        loaded[WORDS] = values
    return loaded


@pytest.fixture(scope="module")
def now(stored: dict[str, Any]) -> dict[str, Any]:
    return measured(stored["texts"])


def test_the_texts_cover_what_filters_look_at(stored: dict[str, Any]) -> None:
    languages, texts = zip(*stored["texts"], strict=True)
    assert len(texts) >= 200
    assert {"", " \n\t "} <= set(texts[:MADE])
    assert set(languages[:MADE]) == {"und"}
    assert len(set(languages)) >= 12


NAMES = {"words", *(f.column for f in FILTERS.values()), *(t.label for t in TRANSFORMS.values())}


@pytest.mark.parametrize("column", sorted(NAMES))
def test_values_are_as_recorded(column: str, stored: dict[str, Any], now: dict[str, Any]) -> None:
    golden = stored.get(WORDS, {})
    assert column in golden, f"{column} is new: record it with CURATE_GOLDEN=write (see the top of this file)"
    wrong = [i for i, (a, b) in enumerate(zip(golden[column], now[column], strict=True)) if a != b]
    assert not wrong, (
        f"{column}: the values of texts {wrong} changed; raise the version of the "
        f"{'word rule' if column == 'words' else 'filter'} and record it with CURATE_GOLDEN=write"
    )


def test_nothing_is_recorded_that_no_longer_exists(stored: dict[str, Any]) -> None:
    assert set(stored) == {"texts", WORDS}
    assert set(stored[WORDS]) == NAMES, "record the present filters with CURATE_GOLDEN=write"
