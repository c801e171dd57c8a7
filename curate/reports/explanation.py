"""Everything that was decided about one document, from the ledger and run.json. Computes nothing anew."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from curate.config.measures import Bounds
from curate.errors import CurateError
from curate.reports import facts, run_record
from curate.reports.run_record import Measure, RunRecord
from curate.reports.visible import visible

ID_DIGITS = 32

MEMBERS_SHOWN = 20
"""Other members of a cluster that are listed; one real cluster held 743,779."""

NEAR_CANDIDATES = 500
"""URLs that are compared with one that was not found."""


def explain_document(work: Path, ledger: pl.LazyFrame, document: str) -> list[dict[str, Any]]:
    """A mapping of JSON values for every ledger row of `document`, an id (32 hex digits) or a URL exactly as stored.

    Raises CurateError with the nearest URLs where the ledger has no such row.
    """
    record = run_record.read(work)
    rows = ledger.filter(_is(document)).collect()
    if rows.is_empty():
        raise CurateError(unknown(work, ledger, document))
    measures = [measure for measure in record.measures if measure.column in rows.columns]
    rows = rows.with_columns(left_by=facts.left_by(ledger, measures))
    return [_explain(work, ledger, record, row) for row in rows.iter_rows(named=True)]


def _is(document: str) -> pl.Expr:
    url = pl.col("url") == document
    return url | (pl.col("id") == bytes.fromhex(document)) if _is_id(document) else url


def _is_id(document: str) -> bool:
    return len(document) == ID_DIGITS and all(c in "0123456789abcdefABCDEF" for c in document)


def unknown(work: Path, ledger: pl.LazyFrame, document: str) -> str:
    """What to say of a document that the ledger does not have."""
    rows = ledger.select(pl.len()).collect().item()
    kind = "id" if _is_id(document) else "URL"
    near = _nearest_urls(ledger, document)
    expected = f"; expected an id ({ID_DIGITS} hex digits) or a URL"
    hint = f"; the nearest URLs are: {', '.join(map(visible, near))}" if near else expected
    return f"{kind} {document!r} is in none of the {rows:,} rows of {work / 'ledger'}{hint}"


def _nearest_urls(ledger: pl.LazyFrame, document: str) -> list[str]:
    """At most three URLs much like `document`: of those with the longest common beginning, host first."""
    tail = document.partition("://")[2] or document
    for length in sorted({len(tail) * n // 8 for n in range(2, 9)} - {0}, reverse=True):
        begins = pl.col("url").str.contains(f"://{tail[:length]}", literal=True)
        urls = ledger.filter(begins).select(pl.col("url").unique().sort()).head(NEAR_CANDIDATES).collect()["url"]
        if near := get_close_matches(document, urls.to_list(), n=3, cutoff=0.5):
            return near
    return []


def _explain(work: Path, ledger: pl.LazyFrame, record: RunRecord, row: dict[str, Any]) -> dict[str, Any]:
    """All that is known about the document of one ledger row."""
    return {
        "object": row["object"],
        "offset": row["offset"],
        "end": row["end"],
        "status": row["status"],
        "reason": row["reason"],
        "id": _hex(row["id"]),
        "text_hash": _hex(row["text_hash"]),
        "url": row["url"],
        "source": row["source"],
        "date": row["date"].isoformat() if row["date"] else None,
        "lang": row["lang"],
        "lang_score": row["lang_score"],
        "token_estimate": row["token_estimate"],
        "measures": [_measured(m, row) for m in record.measures if m.column in row] if row["shard"] else [],
        "cluster": _cluster(ledger, row),
        "quality": _quality(record, row),
        "lineage": _lineage(ledger, row),
        "stored": {"shard": row["shard"], "row": row["row"]} if row["shard"] else None,
        "published": _published(work, record, row),
        "stages": _stages(record, row),
        "config_key": record.config_key,
    }


def _hex(identity: bytes | None) -> str | None:
    return None if identity is None else identity.hex()


def _measured(measure: Measure, row: dict[str, Any]) -> dict[str, Any]:
    """One measure's value beside the bound of the document's language; `decided`: the document left by it."""
    language = row["lang"] if row["lang"] in measure.by_language else None
    measure = measure.of(language)
    return {
        "name": measure.name,
        "title": measure.title,
        "column": measure.column,
        "value": row[measure.column],
        "unit": measure.unit,
        "bounds": run_record.describe(measure),
        "min": measure.min,
        "max": measure.max,
        "keep_fraction": measure.keep_fraction,
        "bounds_of": language,
        "decided": row["left_by"] == measure.column,
    }


def _cluster(ledger: pl.LazyFrame, row: dict[str, Any]) -> dict[str, Any] | None:
    """The keeper and the other members of a document's cluster; None for one that left before clusters were made."""
    if row["cluster_id"] is None:
        return None
    members = (
        ledger.filter((pl.col("cluster_id") == row["cluster_id"]) & (pl.col("id") != row["id"]))
        .select("id", "url", "status", "reason", "lang", "similarity").unique("id", keep="first", maintain_order=True)
        .sort("similarity", "id", descending=[True, False], nulls_last=False).collect()
    )  # fmt: skip
    return {
        "keeper": _hex(row["cluster_id"]),
        "is_keeper": row["cluster_id"] == row["id"],
        "documents": row["dup_count"],
        "similarity": row["similarity"],
        "others": [m | {"id": _hex(m["id"])} for m in members.head(MEMBERS_SHOWN).iter_rows(named=True)],
        "others_left_out": max(0, len(members) - MEMBERS_SHOWN),
    }


def _quality(record: RunRecord, row: dict[str, Any]) -> dict[str, Any] | None:
    """The judge's score with its status; None for a document that nobody was to be asked about."""
    if row["quality_status"] is None:
        return None
    keep = (record.config.get("judge") or {}).get("keep")
    score_bounds = Bounds(**{side: keep[side] for side in ("min", "max", "keep_fraction")}) if keep else None
    return {
        "value": row["quality"],
        "entropy": row["quality_entropy"],
        "status": row["quality_status"],
        "source": row["quality_source"],
        "model": row["quality_model"],
        "bounds": run_record.describe(score_bounds),
    }


def _lineage(ledger: pl.LazyFrame, row: dict[str, Any]) -> dict[str, Any]:
    """What the document was written from, and what was written from it."""
    parents = row["derived_from"] or []
    known = ledger.filter(pl.col("id").is_in(parents)).select("id", "url", "status") if parents else None
    children = (
        ledger.filter(pl.col("derived_from").list.contains(pl.lit(row["id"], pl.Binary)))
        .select("id", "status", "reason").sort("id").collect()
        if row["id"] is not None else pl.DataFrame()
    )  # fmt: skip
    found = {} if known is None else {r["id"]: r for r in known.collect().iter_rows(named=True)}
    return {
        "is_synthetic": row["is_synthetic"],
        "derived_from": [
            {"id": _hex(p), "url": found.get(p, {}).get("url"), "status": found.get(p, {}).get("status")}
            for p in parents
        ],
        "sources_of": [child | {"id": _hex(child["id"])} for child in children.iter_rows(named=True)],
    }


def _published(work: Path, record: RunRecord, row: dict[str, Any]) -> dict[str, Any] | None:
    """Part and row of the published version; None for a document that was not kept."""
    if row["status"] != "kept":
        return None
    for part in record.published:
        ids = pl.scan_parquet(work / part.shard, glob=False).select("id").with_row_index("row")
        at = ids.filter(pl.col("id") == _hex(row["id"])).select("row").collect()["row"]
        if len(at):
            return {"version": record.version, "part": part.name, "row": int(at[0]), "output": record.output}
    return None


def _stages(record: RunRecord, row: dict[str, Any]) -> dict[str, list[str]]:
    """Stage -> keys of the commits that had a say: those of the document's own split, and those of all documents."""
    # The shard that holds the text stands in the folder of its commit: stages/<stage>/<key>/documents-00000.parquet.
    held_in = row["shard"].split("/")[2] if row["shard"] else None
    of_object = [p for p in record.parts if p["object"] == row["object"]]
    own = [p for p in of_object if held_in in (None, p["documents"], p.get("rewritten"))]
    stages: dict[str, list[str]] = {}
    for part in own:
        named = {str(part["stage"]): "documents", "rewrite": "rewritten", "measure": "measures"}
        for stage, key in ((stage, part.get(name)) for stage, name in named.items()):
            if key is not None and key not in stages.setdefault(stage, []):
                stages[stage].append(key)
    return stages | {stage: list(keys) for stage, keys in record.commits.items() if stage != "publish" and keys}


def format_explanation(rows: Iterable[dict[str, Any]]) -> str:
    """The rows of `explain_document` for a terminal, one block each."""
    return "\n\n".join("\n".join(map(visible, _lines(row))) for row in rows)


def _lines(row: dict[str, Any]) -> list[str]:
    because = f": {row['reason']}" if row["reason"] else ""
    lines = [f"{row['status'].upper()}{because}", ""]
    date = f", {row['date']}" if row["date"] else ""
    lines += _fields([
        ("id", row["id"]), ("url", row["url"]), ("source", f"{row['source']}{date}"),
        ("read from", f"{row['object']}, {row['offset']:,} to {row['end']:,}"),
        ("language", f"{row['lang']} ({row['lang_score']:.3f})" if row["lang_score"] is not None else row["lang"]),
        ("text", f"{row['stored']['shard']}, row {row['stored']['row']:,}" if row["stored"] else None),
        ("published", _published_line(row["published"])),
    ])  # fmt: skip
    if row["measures"]:
        width = max(len(m["title"]) for m in row["measures"])
        lines += ["", "measures"] + [_measure_line(m, width) for m in row["measures"]]
    lines += _cluster_lines(row["cluster"]) + _quality_lines(row["quality"]) + _lineage_lines(row["lineage"])
    lines += ["", "commits"] + [f"  {stage}: {', '.join(keys)}" for stage, keys in row["stages"].items()]
    return [*lines, f"  config: {row['config_key']}"]


def _fields(named: Iterable[tuple[str, str | None]]) -> list[str]:
    return [f"  {name:<10}{value}" for name, value in named if value is not None]


def _published_line(published: dict[str, Any] | None) -> str | None:
    return f"{published['part']}, row {published['row']:,}, version {published['version']}" if published else None


def _measure_line(measure: dict[str, Any], width: int) -> str:
    value = "missing" if measure["value"] is None else f"{measure['value']:.6g}"
    mark = "  <- rejected by this" if measure["decided"] else ""
    language = f" for {measure['bounds_of']}" if measure["bounds_of"] else ""
    return f"  {measure['title']:<{width}}  {value:>12} {measure['unit']}  [{measure['bounds']}{language}]{mark}"


def _cluster_lines(cluster: dict[str, Any] | None) -> list[str]:
    if cluster is None or cluster["documents"] == 1:
        return []
    own = (
        "it is the keeper"
        if cluster["is_keeper"]
        else f"keeper {cluster['keeper']}, similarity {cluster['similarity']:g}"
    )
    lines = ["", f"cluster of {cluster['documents']:,} ({own})"]
    for other in cluster["others"]:
        near = "" if other["similarity"] is None else f", similarity {other['similarity']:g}"
        lines.append(f"  {other['id']}  {other['status']}{near}  {other['url'] or ''}")
    return lines + ([f"  and {cluster['others_left_out']:,} more"] if cluster["others_left_out"] else [])


def _quality_lines(quality: dict[str, Any] | None) -> list[str]:
    if quality is None:
        return []
    value = "no score" if quality["value"] is None else f"{quality['value']:.4g}"
    by = f" by {quality['model']}" if quality["model"] else ""
    return ["", f"quality  {value} ({quality['status']}){by}  [{quality['bounds']}]"]


def _lineage_lines(lineage: dict[str, Any]) -> list[str]:
    lines = []
    if lineage["derived_from"]:
        lines += ["", "written by a model from"]
        lines += [
            f"  {p['id']}  {p['status'] or 'not in this ledger'}  {p['url'] or ''}" for p in lineage["derived_from"]
        ]
    if lineage["sources_of"]:
        lines += ["", "source of what a model wrote"]
        lines += [f"  {c['id']}  {c['status']}  {c['reason'] or ''}" for c in lineage["sources_of"]]
    return lines
