"""Reasons for which documents leave, as expressions over frames of them."""

from collections.abc import Mapping

import polars as pl


def because(facts: pl.DataFrame, leaves: pl.Expr, reason: pl.Expr) -> pl.DataFrame:
    """Give `reason` to the documents that leave here and had none: the first reason stays."""
    first = pl.col("reason").is_null() & leaves.fill_null(value=False)
    return facts.with_columns(reason=pl.when(first).then(reason).otherwise("reason"))


def rule_of(column: str) -> pl.Expr:
    """The rule in a reason: what stands before its value, `gopher.word_count` of `gopher.word_count=12.0 < 50.0`."""
    return pl.col(column).str.extract(r"^([^= ]+)", 1)


def of_language(own: Mapping[str, object], others: object, kind: type[pl.DataType]) -> pl.Expr:
    """What `own` has for the document's language, and `others` for every other language and for none."""
    if not own:
        return pl.lit(others, kind)
    return pl.col("lang").replace_strict(list(own), list(own.values()), default=pl.lit(others, kind), return_dtype=kind)
