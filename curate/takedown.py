"""Which texts come from a document, so that what is kept about them can be deleted."""

from collections.abc import Collection

import polars as pl

from curate.errors import CurateError


def texts_of(ledger: pl.LazyFrame, ids: Collection[bytes]) -> set[bytes]:
    """Hashes of the texts of these documents and of all that was written from them, at any remove.

    Raises CurateError with the ids that the ledger does not have.
    """
    rows = ledger.select("id", "text_hash", "derived_from").filter(pl.col("id").is_not_null())
    wanted, found = set(ids), set[bytes]()
    known = rows.filter(pl.col("id").is_in(list(wanted))).collect()
    if unknown := sorted(wanted - set(known["id"])):
        raise CurateError(
            f"no row of the ledger has {', '.join(id_.hex() for id_ in unknown)}; is it the right --work?"
        )
    parts = [known]
    while new := set(parts[-1]["id"]) - found:
        found |= new
        child = pl.col("derived_from").list.eval(pl.element().is_in(list(new))).list.any()
        parts.append(rows.filter(child).collect())
    return {text_hash for part in parts for text_hash in part["text_hash"] if text_hash is not None}
