"""datatrove's MinHash over JSONL, all four steps: runs in its environment, started by `dedup_peers.py`, never imported.

    python dedup_peer.py TEXTS_FOLDER OUT WORKERS

TEXTS_FOLDER has `*.jsonl` with url and text; the documents that stay are written to OUT/kept as zstd Parquet. Prints
JSON: the wall seconds of each step, from its executor's start to its end (imports are not in them), and for each
document that datatrove joined with others [file, line, cluster, removed], files and lines counted from 0. Knobs are
datatrove's own defaults: 14 buckets of 8 hashes of 64 bits over 5 words, its English tokenizer for every language.
"""

import json
import struct
import sys
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter


def main(texts, out, workers):
    config = MinhashConfig()
    files = len(list(Path(texts).glob("*.jsonl")))
    reader = JsonlReader(texts, glob_pattern="*.jsonl", id_key="url")
    steps = {
        "signatures": ([reader, MinhashDedupSignature(f"{out}/signatures", config)], files),
        "buckets": (
            [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)],
            config.num_buckets,
        ),
        # Cluster ids cost nothing that can be measured, and say what was joined with what.
        "cluster": ([MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config, save_cluster_id=True)], 1),
        "filter": (
            [reader, MinhashDedupFilter(f"{out}/remove"), ParquetWriter(f"{out}/kept", compression="zstd")],
            files,
        ),
    }
    seconds = {}
    for name, (pipeline, tasks) in steps.items():
        began = time.monotonic()
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=int(workers), logging_dir=f"{out}/logs/{name}", skip_completed=False
        ).run()
        seconds[name] = time.monotonic() - began
    joined = [row for rank in range(files) for row in clusters(Path(out, "remove"), rank)]
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "joined": joined}) + "\n")


def clusters(folder, rank):
    """Rows of one input file."""
    pairs, gone = folder / f"{rank:06d}.clusters", folder / f"{rank:06d}.remove"
    removed = {line for (line,) in struct.iter_unpack("<I", gone.read_bytes())} if gone.exists() else set()
    found = struct.iter_unpack("<II", pairs.read_bytes()) if pairs.exists() else ()
    return [[rank, line, cluster, line in removed] for line, cluster in found]


if __name__ == "__main__":
    main(*sys.argv[1:])
