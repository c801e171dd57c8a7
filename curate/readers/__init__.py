"""Input objects -> records. `ranges` says where an object may be cut, `read` gives what is in one split.

Every Record, Rejected and Quarantined counts as one document that came in (promise P1); Skipped is counted apart.
Damage never ends a run: what is whole is read, and each damaged stretch is one Quarantined with its range.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal

from curate.config import ExtractConfig
from curate.readers import jsonl, parquet, warc
from curate.readers.record import Item, Quarantined, Record, Rejected, Skipped

if TYPE_CHECKING:
    from curate.plan import Split

__all__ = ["Item", "Quarantined", "Record", "Rejected", "Skipped", "ranges", "read"]

VERSION = 2
"""Raised when the same bytes give other records."""


def ranges(
    stream: BinaryIO,
    size: int,
    format: Literal["warc", "jsonl", "parquet"],
    codec: Literal["gzip", "zstd"] | None,
    split_bytes: int,
) -> list[tuple[int, int]]:
    """Ranges of about `split_bytes` stored bytes that together hold every record once; none for an empty object.

    Bytes, or numbers of row groups for Parquet. Raises InputError for a Parquet footer that cannot be read.
    """
    if size == 0:
        return []
    if format == "parquet":
        return parquet.ranges(stream, split_bytes)
    if format == "jsonl":
        return jsonl.ranges(size, compressed=codec is not None, split_bytes=split_bytes)
    return warc.ranges(stream, size, codec, split_bytes)


def read(stream: BinaryIO, split: "Split", config: ExtractConfig) -> Iterator[Item]:
    """Everything that starts in the split, in its order. Memory: one record and a chunk, whatever the object's size."""
    if split.size == 0:
        return iter(())
    reader = {"warc": warc.read, "jsonl": jsonl.read, "parquet": parquet.read}[split.format]
    return reader(stream, split, config.max_document_bytes)
