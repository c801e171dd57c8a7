"""What dedup finds among labelled copies, on the reference corpus with bad pages added to 20 % of the good ones.

    python -m tests.bench.dedup_truth [--pages N] [--dirty SHARE] [--keep DIR]

Runs the real command, then compares its candidate pairs, edges and decisions with calculations of its own. A label
says where a copy came from, not that it is still similar: recall is held against the mean of P(s) =
1 - (1 - s^rows)^bands at the exact shingle Jaccard s of the labelled pairs, as extraction left their texts. Exits 1
where a promise does not hold.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
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
from curate.shingles import Shingles, shingles_of
from curate.text.buffers import text_buffers
from tests.bench.command import CONFIG, run_curate
from tests.bench.corpus import corpus
from tests.bench.figure import Figure, emit, note
from tests.curate.test_minhash import expected_words

Pair = tuple[bytes, bytes]
"""Two distinct texts by hash, the smaller first, as the run writes them."""

SAMPLED = 500
RECALL_SLACK = 0.03


@dataclass(frozen=True)
class Found:
    """What the run wrote."""

    documents: pl.DataFrame
    """url, text_hash and text of every extracted document."""

    ledger: pl.DataFrame
    candidates: frozenset[Pair]
    edges: dict[Pair, float]

    @cached_property
    def texts(self) -> pl.DataFrame:
        """text_hash and text of the distinct texts, in order of the hash."""
        return self.documents.select("text_hash", "text").unique("text_hash", keep="any").sort("text_hash")

    @cached_property
    def number(self) -> dict[bytes, int]:
        """Row of each text in `texts`."""
        return {text_hash: n for n, text_hash in enumerate(self.texts["text_hash"])}

    @cached_property
    def buffers(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The distinct texts as the kernels take them."""
        return text_buffers(self.texts.select("text").to_arrow().column("text").cast(pa.large_string()))

    def similarities(self, pairs: Sequence[Pair], shingles: Shingles) -> npt.NDArray[np.float64]:
        """Exact shingle Jaccard of each pair, all in one call of the compiled code."""
        numbers = np.array([[self.number[a], self.number[b]] for a, b in pairs], np.int64).reshape(-1, 2)
        return overlaps(*shingle_sets(*self.buffers, shingles), numbers).jaccard


def read(work: Path) -> Found:
    """Collect the shards and the ledger of a finished run."""
    stages = work / "stages"

    def rows(files: Iterable[Path], columns: list[str]) -> pl.DataFrame:
        return pl.concat([pl.read_parquet(file, columns=columns) for file in sorted(files)])

    documents = rows(stages.glob("extract/*/documents-*.parquet"), ["url", "text_hash", "text"])
    ledger = rows((work / "ledger").glob("*.parquet"), ["id", "text_hash", "lang", "status", "reason", "cluster_id"])
    pairs = rows(stages.glob("pairs/*/pairs-*.parquet"), ["a", "b"])
    edges = rows(stages.glob("verify/*/edges-*.parquet"), ["a", "b", "similarity"])
    return Found(documents, ledger, frozenset(pairs.iter_rows()), {(a, b): s for a, b, s in edges.iter_rows()})


def ordered(a: bytes, b: bytes) -> Pair:
    return (a, b) if a < b else (b, a)


def labelled_pairs(found: Found, truth: Path) -> tuple[int, list[Pair]]:
    """Of the labelled copies: how many pairs have one text, and the pairs of different texts, each once."""
    text_of = dict(found.documents.select("url", "text_hash").iter_rows())
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
    repeats = len(found.documents) - len(found.texts)
    emit(Figure("dedup.equal_texts", repeats, f"documents whose text another one has, {labelled} of them labelled"))
    emit(Figure("dedup.equal_texts_kept", int(twice), "documents that share their text and were all kept", goal=0))
    return not twice


def equal_words(found: Found, shingles: Shingles) -> bool:
    """Different texts of the same normalised words are candidates, directly or through others with those words."""
    hashes, first = shingle_hashes(*found.buffers, shingles)
    groups: dict[bytes, list[bytes]] = {}
    for text_hash, (start, end) in zip(found.texts["text_hash"], pairwise(first.tolist()), strict=True):
        if end > start:
            groups.setdefault(hashlib.sha256(hashes[start:end].tobytes()).digest(), []).append(text_hash)
    pairs = reached = 0
    for members in groups.values():
        joined = {m: m for m in members}
        for a, b in combinations(sorted(members), 2):
            if (a, b) in found.candidates and joined[a] != joined[b]:
                old, new = joined[b], joined[a]
                joined = {m: new if root == old else root for m, root in joined.items()}
        for a, b in combinations(members, 2):
            pairs += 1
            reached += joined[a] == joined[b]
    emit(Figure("dedup.equal_words", pairs, "pairs of different texts with the same normalised words"))
    emit(Figure("dedup.equal_words_found", reached / max(pairs, 1), "share of them", goal=1))
    return reached == pairs


def recall(found: Found, different: list[Pair], config: MinhashConfig) -> bool:
    """Share of the labelled pairs that are candidates, against what the curve promises at their similarity."""
    s = found.similarities(different, shingles_of(config))
    hit = np.array([pair in found.candidates for pair in different])
    promised = float(np.mean([probability(float(x), config.bands, config.rows) for x in s]))
    emit(Figure("dedup.recall", hit.mean(), f"share of {len(hit)} labelled pairs", "mean P(s)", promised))
    emit(Figure("dedup.recall_minus_analytic", hit.mean() - promised, "share", goal=-RECALL_SLACK))
    similar = s >= config.min_similarity
    joined = np.array([pair in found.edges for pair in different])
    emit(Figure("dedup.labelled_still_similar", similar.mean(), f"share with s >= {config.min_similarity}"))
    emit(Figure("dedup.labelled_joined", joined[similar].mean(), "share of those with an edge"))
    return bool(hit.mean() - promised >= -RECALL_SLACK)


def verification(found: Found, config: MinhashConfig) -> bool:
    """Of the candidates exactly those are edges whose s, by compiled and by plain code, is at or above the bound."""
    candidates, bound = sorted(found.candidates), config.min_similarity
    s = found.similarities(candidates, shingles_of(config))
    wrong = sum(bool(x >= bound) != (pair in found.edges) for pair, x in zip(candidates, s, strict=True))
    emit(Figure("dedup.candidates", len(candidates), "pairs"))
    emit(Figure("dedup.edges", len(found.edges), "pairs"))
    emit(Figure("dedup.verified_wrongly", wrong, f"of {len(candidates)} candidates, compiled Jaccard", goal=0))
    nearest = [candidates[i] for i in np.argsort(np.abs(s - bound), kind="stable")[:SAMPLED]]
    sample = nearest + random.Random(1).sample(candidates, min(SAMPLED, len(candidates)))
    texts = dict(found.texts.iter_rows())
    off = 0
    for pair in sample:
        plain = plain_jaccard(texts[pair[0]], texts[pair[1]], config.shingle.size)
        edge = found.edges.get(pair)
        off += (plain >= bound) != (edge is not None) or (edge is not None and edge != plain)
    unit = f"of {len(sample)} candidates, plain Python, {len(nearest)} of them nearest the bound"
    emit(Figure("dedup.verified_wrongly_plain", off, unit, goal=0))
    return not (wrong or off or set(found.edges) - found.candidates)


def plain_jaccard(a: str, b: str, size: int) -> float:
    """Jaccard of the two texts' sets of word tuples, by the declared word rule in plain Python."""
    sets = []
    for words in (expected_words(a), expected_words(b)):
        sets.append({tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))} if words else set())
    return len(sets[0] & sets[1]) / max(len(sets[0] | sets[1]), 1)


def across_languages(found: Found) -> None:
    """Documents removed as a copy of one in another detected language: each is worth a look."""
    removed = found.ledger.filter(pl.col("reason").str.starts_with("dedup."))
    keepers = found.ledger.filter(pl.col("reason").ne_missing("duplicate_id")).select("id", keeper_lang="lang")
    both = removed.join(keepers, left_on="cluster_id", right_on="id", how="left")
    emit(Figure("dedup.removed", len(removed), f"documents of {len(found.ledger)}"))
    emit(Figure("dedup.removed_across_languages", int((both["lang"] != both["keeper_lang"]).sum()), "documents"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, help="good pages; default: all")
    parser.add_argument("--dirty", type=float, default=0.2, help="share of pages that a bad one is made from, 0..1")
    parser.add_argument("--keep", type=Path, help="leave the work and output folders of the run here")
    args = parser.parse_args()
    config = load(CONFIG).dedup
    assert config
    assert config.minhash
    built = corpus(pages=args.pages, dirty=args.dirty)
    folder = args.keep or Path(tempfile.mkdtemp(prefix="curate-bench-"))
    try:
        run = run_curate(built.warc, folder)
        note(f"{built.pages} pages in {run.seconds:.0f} s; not compared: {_count(run.result, 'not_compared')} pairs")
        found = read(folder / "work")
        equal, different = labelled_pairs(found, built.folder / "truth.jsonl")
        held = [
            equal_texts(found, equal),
            equal_words(found, shingles_of(config.minhash)),
            recall(found, different, config.minhash),
            verification(found, config.minhash),
        ]
        across_languages(found)
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if all(held) else 1)


def _count(result: object, name: str) -> int:
    assert isinstance(result, dict)
    return sum(stage["counts"].get(name, 0) for stage in result["stages"])


if __name__ == "__main__":
    main()
