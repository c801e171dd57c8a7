"""What is in an index, and what it takes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curate.index import manifest
from curate.index.segments import Gone


@dataclass(frozen=True)
class Info:
    """An index in numbers."""

    documents: int
    """That count."""

    gone: int
    """Deleted or replaced, their rows still there."""

    bytes: int
    """Of all its files but the manifest."""

    segments: int
    versions: int
    shards: int
    shards_gone: int
    """Published shards that are not where they were: documents of these cannot be compared."""

    minhash: tuple[Any, ...]

    @property
    def bytes_a_document(self) -> float:
        """Of those that count."""
        return self.bytes / max(1, self.documents)

    @property
    def made_with(self) -> str:
        """The MinHash of its keys."""
        _, bands, rows, (unit, size, *_), seed = self.minhash
        return f"{bands} bands of {rows} rows over shingles of {size} {unit}, seed {seed}"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {"bytes_a_document": self.bytes_a_document}


def info(path: Path) -> Info:
    """Raises as manifest.read."""
    index = manifest.read(path)
    gone = Gone.of(index)
    left = sum(gone.count(segment) for segment in index.segments)
    documents = sum(segment.documents.rows for segment in index.segments)
    away = sum(not (Path(place.output) / "shards" / f"{place.sha256}.parquet").exists() for place in index.shards)
    return Info(
        documents - left, left, index.bytes, len(index.segments), len(index.versions), len(index.shards), away,
        index.minhash,
    )  # fmt: skip
