"""What dedup finds among labelled copies, on the reference corpus with bad pages added to 20 % of the good ones.

    python -m tests.bench.dedup_truth [--pages N] [--dirty SHARE] [--keep DIR]

Runs the real command, then compares its edges and decisions with calculations of its own. A label says where a copy
came from, not that it is still similar: recall is held against the mean of P(s) = 1 - (1 - s^rows)^bands at the exact
shingle Jaccard s of the labelled pairs that are at or above the bound. Exits 1 where a promise does not hold.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate.config import MinhashConfig
from curate.config.file import load
from curate.minhash import overlaps, probability, shingle_hashes, shingle_sets
from curate.shingles import Shingles
from curate.text.buffers import text_buffers
from tests.bench.command import run_curate
from tests.bench.corpus import corpus
from tests.bench.dedup_texts import texts
from tests.bench.figure import Figure, emit, note
from tests.curate.test_minhash import expected_words

CONFIG = Path(__file__).with_name("dedup_only.yaml")
Pair = tuple[bytes, bytes]
"""Two distinct texts by hash, the smaller first, as the run writes them."""

SAMPLED = 2_000
RECALL_SLACK = 0.03


@dataclass(frozen=True)
class Found:
    """What the run wrote."""

    ledger: pl.DataFrame
    """url, text_hash, status, reason, cluster_id, id and text of every document."""

    edges: dict[Pair, float]

    @cached_property
    def texts(self) -> pl.DataFrame:
        """text_hash and text of the distinct texts, in order of the hash."""
        return self.ledger.select("text_hash", "text").unique("text_hash", keep="any").sort("text_hash")

    @cached_property
    def number(self) -> dict[bytes, int]:
        """Row of each text in `texts`."""
        return {text_hash: n for n, text_hash in enumerate(self.texts["text_hash"])}

    @cached_property
    def buffers(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The distinct texts as the kernels take them."""
        return text_buffers(self.texts.select("text").to_arrow().column("text").cast(pa.large_string()))

    @cached_property
    def removed(self) -> pl.DataFrame:
        """Documents that left as a duplicate, with the text of their keeper: text_hash and keeper_hash, null
        where the keeper is not among the kept documents.
        """
        kept = self.ledger.filter(pl.col("status") == "kept")
        keepers = kept.select(cluster_id="id", keeper_hash="text_hash")
        left = self.ledger.filter(pl.col("reason").str.starts_with("dedup."))
        return left.join(keepers, on="cluster_id", how="left", maintain_order="left")

    def similarities(self, pairs: Sequence[Pair], size: int) -> npt.NDArray[np.float64]:
        """Exact shingle Jaccard of each pair, all in one call of the compiled code."""
        numbers = np.array([[self.number[a], self.number[b]] for a, b in pairs], np.int64).reshape(-1, 2)
        return overlaps(*shingle_sets(*self.buffers, Shingles(size=size)), numbers).jaccard


def read(work: Path, text_of: Mapping[str, str]) -> Found:
    """Collect the edges and the ledger of a finished run, the texts from its input."""
    columns = ["id", "url", "text_hash", "status", "reason", "cluster_id"]
    ledger = pl.concat([pl.read_parquet(f, columns=columns) for f in sorted((work / "ledger").glob("*.parquet"))])
    files = sorted((work / "stages").glob("*/*/edges-*.parquet"))
    edges = pl.concat([pl.read_parquet(f, columns=["a", "b", "similarity"]) for f in files])
    ledger = ledger.with_columns(text=pl.Series([text_of[url] for url in ledger["url"]]))
    return Found(ledger, {(a, b): s for a, b, s in edges.iter_rows()})


def ordered(a: bytes, b: bytes) -> Pair:
    return (a, b) if a < b else (b, a)


def labelled_pairs(found: Found, truth: Path) -> tuple[int, list[Pair]]:
    """Of the labelled copies: how many pairs have one text, and the pairs of different texts, each once."""
    text_of = dict(found.ledger.select("url", "text_hash").iter_rows())
    equal, different = 0, set[Pair]()
    for line in truth.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        a, b = text_of.get(row["url"]), text_of.get(row["dup_of"])
        if a is None or b is None:
            continue
        if a == b:
            equal += 1
        else:
            different.add(ordered(a, b))
    return equal, sorted(different)


def equal_texts(found: Found, labelled: int) -> bool:
    """Of documents with one text at most one is kept."""
    twice = found.ledger.filter(pl.col("status") == "kept")["text_hash"].is_duplicated().sum()
    repeats = len(found.ledger) - len(found.texts)
    emit(Figure("dedup.equal_texts", repeats, f"documents whose text another one has, {labelled} of them labelled"))
    emit(Figure("dedup.equal_texts_kept", int(twice), "documents that share their text and were all kept", goal=0))
    return not twice


def equal_words(found: Found, size: int) -> bool:
    """Different texts of the same normalised words have an edge, or are joined by edges through others of them."""
    hashes, first = shingle_hashes(*found.buffers, Shingles(size=size))
    groups: dict[bytes, list[bytes]] = {}
    for text_hash, (start, end) in zip(found.texts["text_hash"], pairwise(first.tolist()), strict=True):
        if end > start:
            groups.setdefault(hashlib.sha256(hashes[start:end].tobytes()).digest(), []).append(text_hash)
    pairs = reached = 0
    for members in groups.values():
        joined = {m: m for m in members}
        for a, b in combinations(sorted(members), 2):
            if (a, b) in found.edges and joined[a] != joined[b]:
                old, new = joined[b], joined[a]
                joined = {m: new if root == old else root for m, root in joined.items()}
        for a, b in combinations(members, 2):
            pairs += 1
            reached += joined[a] == joined[b]
    emit(Figure("dedup.equal_words", pairs, "pairs of different texts with the same normalised words"))
    emit(Figure("dedup.equal_words_found", reached / max(pairs, 1), "share of them", goal=1))
    return reached == pairs


def recall(found: Found, different: list[Pair], config: MinhashConfig) -> bool:
    """Share of the labelled pairs at or above the bound that have an edge, against what the curve promises there."""
    s = found.similarities(different, config.shingle.size)
    similar = s >= config.min_similarity
    emit(Figure("dedup.labelled_still_similar", similar.mean(), f"share with s >= {config.min_similarity}"))
    hit = np.array([pair in found.edges for pair, there in zip(different, similar, strict=True) if there])
    promised = _promised(s[similar], config)
    emit(Figure("dedup.recall", hit.mean(), f"share of {len(hit)} labelled pairs", "mean P(s)", promised))
    emit(Figure("dedup.recall_minus_analytic", hit.mean() - promised, "share", goal=-RECALL_SLACK))
    return bool(hit.mean() - promised >= -RECALL_SLACK)


def _promised(s: npt.NDArray[np.float64], config: MinhashConfig) -> float:
    return float(np.mean([probability(float(x), config.bands, config.rows) for x in s]))


def verification(found: Found, config: MinhashConfig) -> bool:
    """Every edge is at or above the bound and says its similarity, by compiled code over all of them."""
    edges = sorted(found.edges)
    s = found.similarities(edges, config.shingle.size)
    wrong = sum(x < config.min_similarity or x != found.edges[edge] for edge, x in zip(edges, s, strict=True))
    emit(Figure("dedup.edges", len(edges), "pairs"))
    emit(Figure("dedup.verified_wrongly", int(wrong), f"of {len(edges)} edges, compiled Jaccard", goal=0))
    return not wrong


def precision(found: Found, config: MinhashConfig) -> bool:
    """Every removed document has its keeper's text, or an edge at or above the bound to a keeper that was kept."""
    shown = 0
    for text_hash, keeper in found.removed.select("text_hash", "keeper_hash").iter_rows():
        if keeper is not None:
            shown += text_hash == keeper or found.edges.get(ordered(text_hash, keeper), -1.0) >= config.min_similarity
    removed = len(found.removed)
    emit(Figure("dedup.removed", removed, f"documents of {len(found.ledger)}"))
    emit(Figure("dedup.removed_shown", shown / max(removed, 1), "share with an edge to a kept document", goal=1))
    return shown == removed


def brute_force(found: Found, config: MinhashConfig) -> bool:
    """Every pair of SAMPLED documents by plain Python: removed ones, their keepers, and others. A removed one is as
    similar to its keeper as the bound asks, an edge says its similarity, no two kept ones have an edge. Similar pairs
    that were both kept are counted: no curve finds all.
    """
    sample = _sampled(found)
    shared, sizes = every_pair([found.texts["text"][found.number[h]] for h in sample], config.shingle.size)
    # The same division of whole numbers as the run's, so that equal means equal.
    jaccard = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)
    at = {text_hash: n for n, text_hash in enumerate(sample)}
    left = [(a, b) for a, b in found.removed.select("text_hash", "keeper_hash").iter_rows() if a in at and b in at]
    too_far = sum(a != b and jaccard[at[a], at[b]] < config.min_similarity for a, b in left)
    within = {pair: s for pair, s in found.edges.items() if pair[0] in at and pair[1] in at}
    off = sum(jaccard[at[a], at[b]] != s for (a, b), s in within.items())
    kept = set(found.ledger.filter(pl.col("status") == "kept")["text_hash"])
    together = sum(a in kept and b in kept for a, b in within)
    stays = np.array([text_hash in kept for text_hash in sample])
    missed = np.triu((jaccard >= config.min_similarity) & stays[:, None] & stays[None, :], 1).sum()
    unit = f"of {len(sample)} texts, every pair in plain Python"
    emit(Figure("dedup.brute_force_removed_wrongly", int(too_far), f"of {len(left)} removals {unit}", goal=0))
    emit(Figure("dedup.brute_force_edges_wrong", int(off), f"of {len(within)} edges {unit}", goal=0))
    emit(Figure("dedup.brute_force_kept_together", together, f"edges between kept documents {unit}", goal=0))
    emit(Figure("dedup.brute_force_missed", int(missed), f"similar pairs of which both were kept {unit}"))
    return not (too_far or off or together)


def _sampled(found: Found) -> list[bytes]:
    """Distinct texts: two thirds are removed documents and their keepers, the rest is drawn from all."""
    draw = random.Random(1)
    pairs = [pair for pair in found.removed.select("text_hash", "keeper_hash").iter_rows() if None not in pair]
    chosen: dict[bytes, None] = {}
    for a, b in draw.sample(pairs, len(pairs)):
        if len(chosen) + 2 <= SAMPLED * 2 // 3:
            chosen |= {a: None, b: None}
    for text_hash in draw.sample(found.texts["text_hash"].to_list(), len(found.texts)):
        if len(chosen) < SAMPLED:
            chosen[text_hash] = None
    return list(chosen)


def every_pair(given: Sequence[str], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Shingles that each two texts share, int64[n, n], and those that each has, int64[n]: sets of word tuples by the
    declared word rule, and for each tuple the texts that have it.
    """
    having: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes = np.zeros(len(given), np.int64)
    for n, text in enumerate(given):
        words = expected_words(text)
        shingles = {tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))} if words else set()
        sizes[n] = len(shingles)
        for shingle in shingles:
            having[shingle].append(n)
    shared = np.zeros((len(given), len(given)), np.int64)
    for numbers in having.values():
        if len(numbers) > 1:
            shared[np.ix_(numbers, numbers)] += 1
    return shared, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, help="good pages; default: all")
    parser.add_argument("--dirty", type=float, default=0.2, help="share of pages that a bad one is made from, 0..1")
    parser.add_argument("--keep", type=Path, help="leave the work and output folders of the run here")
    args = parser.parse_args()
    config = load(CONFIG).dedup
    assert config
    assert config.minhash
    given = texts(pages=args.pages, dirty=args.dirty)
    truth = corpus(pages=args.pages, dirty=args.dirty).folder / "truth.jsonl"
    folder = args.keep or Path(tempfile.mkdtemp(prefix="curate-bench-"))
    try:
        run = run_curate(given.jsonl, folder, config=CONFIG)
        note(f"{given.documents} texts in {run.seconds:.0f} s; not compared: {_count(run.result)} pairs")
        found = read(folder / "work", {row["url"]: row["text"] for file in given.files() for row in file})
        equal, different = labelled_pairs(found, truth)
        held = [
            equal_texts(found, equal),
            equal_words(found, config.minhash.shingle.size),
            recall(found, different, config.minhash),
            verification(found, config.minhash),
            precision(found, config.minhash),
            brute_force(found, config.minhash),
        ]
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if all(held) else 1)


def _count(result: Mapping[str, object]) -> int:
    stages = result["stages"]
    assert isinstance(stages, list)
    return sum(stage["counts"].get("not_compared", 0) for stage in stages)


if __name__ == "__main__":
    main()
