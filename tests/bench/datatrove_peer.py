"""datatrove over WARC files on one core: runs in datatrove's environment, started by `peer.py`, never imported.

    python datatrove_peer.py WARC_FOLDER OUT MODEL

Prints the seconds from the executor's start to its end as JSON; imports and set-up are not in them. The blocks are
those of datatrove's published FineWeb example that Curate has too, with the bounds of html_to_parquet.yaml.
"""

import json
import sys
import time

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, LanguageFilter
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import ParquetWriter


def main(warc: str, out: str, model: str) -> None:
    language = LanguageFilter(label_only=True)
    # The file it would fetch is the larger lid.176.bin; the compressed model of the same authors is what Curate uses.
    language.model.MODEL_URL = model
    steps = [
        WarcReader(warc, glob_pattern="*.warc.gz", default_metadata={}),
        Trafilatura(favour_precision=True, timeout=5),
        language,
        GopherQualityFilter(min_stop_words=0),
        FineWebQualityFilter(char_duplicates_ratio=0.1),
        ParquetWriter(out),
    ]
    executor = LocalPipelineExecutor(
        pipeline=steps, tasks=1, workers=1, logging_dir=f"{out}/logs", skip_completed=False
    )
    began = time.monotonic()
    executor.run()
    sys.stdout.write(json.dumps({"seconds": time.monotonic() - began}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
