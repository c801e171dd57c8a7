"""Where Curate and datatrove join other documents, counted, and samples for reading by eye. A part of `dedup.py`.

A removal is a document and the one that stays in its place. The other tool disagrees where it has these two in
different clusters: which copy of a cluster stays is no difference.
"""

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from curate.config import MinhashConfig
from curate.minhash import overlaps, shingle_sets
from curate.shingles import shingles_of
from curate.text.buffers import text_buffers
from tests.bench.dedup_peers import Joined
from tests.bench.dedup_texts import Texts
from tests.bench.figure import Figure, emit, note

Removal = tuple[str, str]
"""url of the document that left, and of the one that stays for it."""

READ = 20
SHOWN_CHARACTERS = 1500


def removals_of_run(work: Path) -> list[Removal]:
    """Of a finished run, from its ledger."""
    ledger = pl.concat([pl.read_parquet(file) for file in sorted((work / "ledger").glob("*.parquet"))])
    kept = ledger.filter(pl.col("status") == "kept").select("id", keeper="url")
    removed = ledger.filter(pl.col("reason").str.starts_with("dedup."))
    return list(removed.join(kept, left_on="cluster_id", right_on="id", how="left").select("url", "keeper").iter_rows())


def removals_of_peer(found: Joined) -> list[Removal]:
    """One document stays of each cluster."""
    stays = {cluster: url for url, cluster in found.cluster.items() if url not in found.removed}
    return [(url, stays[found.cluster[url]]) for url in sorted(found.removed)]


def differences(ours: list[Removal], found: Joined, texts: Texts, config: MinhashConfig, samples: Path) -> None:
    """Count both ways, with the exact similarity of each pair, and write READ of each to `samples`."""
    theirs = removals_of_peer(found)
    our_cluster = {url: keeper for pair in ours for url, keeper in ((pair[0], pair[1]), (pair[1], pair[1]))}
    refused = [pair for pair in theirs if _apart(pair, our_cluster)]
    beyond = [pair for pair in ours if _apart(pair, found.cluster)]
    text = {row["url"]: row["text"] for file in texts.files() for row in file}
    lines: list[str] = []
    emit(Figure("dedup.removed", len(ours), "documents", "datatrove", len(theirs)))
    for name, pairs in (("datatrove_only", refused), ("ours_only", beyond)):
        s = similarities(pairs, text, config)
        below = int((s < config.min_similarity).sum())
        emit(Figure(f"dedup.{name}", len(pairs), "removals whose two documents the other has in different clusters"))
        emit(Figure(f"dedup.{name}_below", below, f"of these with an exact Jaccard below {config.min_similarity}"))
        chosen = random.Random(1).sample(range(len(pairs)), min(READ, len(pairs)))
        for n in sorted(chosen, key=lambda i: float(s[i])):
            lines += [f"== {name}: Jaccard {s[n]:.3f}", *_side_by_side(pairs[n], text), ""]
    samples.write_text("\n".join(lines), encoding="utf-8")
    note(f"{READ} of each kind, for reading: {samples}")


def _apart(pair: Removal, cluster: Mapping[str, object]) -> bool:
    a, b = pair
    return cluster.get(a, a) != cluster.get(b, b)


def similarities(pairs: list[Removal], text: Mapping[str, str], config: MinhashConfig) -> np.ndarray:
    """Exact shingle Jaccard of each pair; float64[pairs]."""
    urls = sorted({url for pair in pairs for url in pair})
    number = {url: n for n, url in enumerate(urls)}
    column = pa.chunked_array([pa.array([text[url] for url in urls], pa.large_string())])
    numbers = np.array([[number[a], number[b]] for a, b in pairs], np.int64).reshape(-1, 2)
    return overlaps(*shingle_sets(*text_buffers(column), shingles_of(config)), numbers).jaccard


def _side_by_side(pair: Removal, text: Mapping[str, str]) -> list[str]:
    """Both texts' beginnings; of long texts that begin alike, from shortly before they part."""
    a, b = (text[url] for url in pair)
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, same - 200) if same > SHOWN_CHARACTERS else 0
    shown = []
    for url, whole in zip(pair, (a, b), strict=True):
        shown += [f"-- {url} ({len(whole)} characters, from {start})", whole[start : start + SHOWN_CHARACTERS]]
    return shown
