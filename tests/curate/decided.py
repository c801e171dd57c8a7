"""Facts, edges and scores of made documents, and what is decided about them."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import strategies as st

from curate.config import RunConfig
from curate.decisions import no_scores, select

WORDS, ALPHA = "length.words@provider.1", "gopher.alpha_word_ratio@datatrove.1"
LANGUAGES = ("eng_Latn", "deu_Latn", "und")
DATES = (None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
SCHEMA = {
    "id": pl.Binary, "text_hash": pl.Binary, "url": pl.String, "source": pl.String,
    "date": pl.Datetime("ms", "UTC"), "lang": pl.String, "lang_score": pl.Float64, "license": pl.String,
    "is_synthetic": pl.Boolean, "derived_from": pl.List(pl.Binary), "offset": pl.Int64, "end": pl.Int64,
    "text_chars": pl.Int64, WORDS: pl.Float64, ALPHA: pl.Float64, "part": pl.String, "shard": pl.String,
    "row": pl.Int64,
}  # fmt: skip
EDGES = {"a": pl.Binary, "b": pl.Binary, "similarity": pl.Float64}
BOUNDS = [
    {"filter": "length.words", "keep": {"min": 20, "max": 100}},
    {"filter": "gopher.alpha_word_ratio", "keep": {"min": 0.8}},
]
KEEP = {"min": 2.0, "missing": {"not_sampled": "keep", "failed": "reject"}}


def config(**sections: Any) -> RunConfig:
    inputs = [{"source": source, "uri": "x"} for source in ("web", "a", "b")]
    values = {"name": "t", "inputs": inputs, "output": "o", "work": "w", **sections}
    return RunConfig.model_validate(values)


SCORES = no_scores(config()).schema


def judged_by(keep: dict[str, Any], **sections: Any) -> RunConfig:
    return config(llm={}, judge={"keep": keep}, **sections)


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def doc(number: int, row: int | None = None, **values: Any) -> dict[str, Any]:
    """A document that passes every bound; `text` says which ones have equal texts."""
    text = values.pop("text", number)
    return {
        "id": name(number), "text_hash": name(1000 + text), "url": f"http://x/{number}", "source": "web", "date": None,
        "lang": "eng_Latn", "lang_score": 0.9, "license": None, "is_synthetic": False, "derived_from": [], "offset": 0,
        "end": 1, "text_chars": 100, WORDS: 50.0, ALPHA: 0.9, "part": "p", "shard": "s",
        "row": number if row is None else row, **values,
    }  # fmt: skip


def facts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def edges(*pairs: tuple[int, int, float]) -> pl.DataFrame:
    rows = [(*sorted((name(1000 + i), name(1000 + j))), similarity) for i, j, similarity in pairs]
    return pl.DataFrame(rows, schema=EDGES, orient="row")


def scores(values: dict[int, float | None]) -> pl.DataFrame:
    rows = [
        {"id": name(n), "quality": q, "quality_status": "unparsable" if q is None else "scored"}
        for n, q in values.items()
    ]
    return pl.DataFrame(rows, schema=SCORES)


def reasons(table: pl.DataFrame) -> list[str | None]:
    return table["reason"].to_list()


@st.composite
def corpora(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to 12 rows over 8 records and 5 texts: a record has one text, but may be stored twice with other dates."""
    text_of = draw(st.lists(st.integers(0, 4), min_size=8, max_size=8))
    size_of = draw(st.lists(st.integers(1, 3), min_size=5, max_size=5))
    rows = []
    for row, number in enumerate(draw(st.lists(st.integers(0, 7), max_size=12))):
        text = text_of[number]
        rows.append(
            doc(
                number, row, text=text, text_chars=100 * size_of[text], source="ab"[number % 2],
                date=draw(st.sampled_from(DATES)), lang=LANGUAGES[text % 3], is_synthetic=number == 7,
                part=draw(st.sampled_from(("p", "q"))),
                **{WORDS: float(draw(st.sampled_from((10, 20, 50, 100, 101)))),
                   ALPHA: draw(st.sampled_from((0.79, 0.8, 1.0)))},
            )
        )  # fmt: skip
    return rows


graphs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(0.75, 1.0)).filter(lambda e: e[0] != e[1]),
    max_size=6,
    unique_by=lambda e: tuple(sorted(e[:2])),
)


def decided(rows: list[dict[str, Any]], graph: list[tuple[int, int, float]], **sections: Any) -> pl.DataFrame:
    sections = {"measure": BOUNDS, "dedup": {"minhash": {}, "source_priority": ["b", "a"]}, **sections}
    return select(facts(rows), edges(*graph), None, config(**sections), judged=False)
