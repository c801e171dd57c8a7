"""index.json: which files of an index count, and what they are."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from curate import minhash
from curate.config import MinhashConfig
from curate.errors import ConfigError, CurateError
from curate.lineage import key
from curate.shards import Shard
from curate.shingles import shingles_of
from curate.storage import Disk, Store, lock

FORMAT = 1
NAME = "index.json"
HINT = "wait for it: one at a time may change an index"
OURS = re.compile(r"(documents|keys|deleted)-\d{5,}\.parquet")

Why = Literal["deleted", "replaced"]


@dataclass(frozen=True)
class File:
    """One immutable file."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @property
    def run(self) -> Shard:
        """As the readers of sorted runs take it."""
        return Shard(self.name, "", self.rows, self.bytes)


@dataclass(frozen=True)
class Segment:
    """Documents that were written together; their rows are numbered from 0."""

    documents: File
    keys: File


@dataclass(frozen=True)
class Tombstones:
    """Documents that count no longer: deleted, or published again and so in a later segment."""

    file: File
    why: Why


@dataclass(frozen=True)
class Place:
    """A published shard."""

    output: str
    sha256: str


@dataclass(frozen=True)
class Index:
    """An index as its manifest says; what is written later is not seen."""

    store: Store
    minhash: tuple[Any, ...]
    """`identity` of what its keys were made with."""

    next: int = 0
    """Number of the next file: none is used twice."""

    versions: tuple[str, ...] = ()
    shards: tuple[Place, ...] = ()
    segments: tuple[Segment, ...] = ()
    tombstones: tuple[Tombstones, ...] = ()

    @property
    def key(self) -> str:
        """By content: what a comparison with it depends on."""
        files = [[s.documents.sha256, s.keys.sha256] for s in self.segments]
        places = [place.sha256 for place in self.shards]
        return key("index", FORMAT, self.minhash, files, [[t.file.sha256, t.why] for t in self.tombstones], places)

    @property
    def bytes(self) -> int:
        """Of all its files but the manifest."""
        return sum(file.bytes for file in self.files())

    def files(self) -> Iterator[File]:
        """All of them."""
        for segment in self.segments:
            yield from (segment.documents, segment.keys)
        yield from (each.file for each in self.tombstones)

    def check(self, config: MinhashConfig) -> None:
        """Raise ConfigError unless its keys are made as this config makes them."""
        wanted = identity(config)
        if list(self.minhash) != wanted:
            names = ("rule", "bands", "rows", "shingle", "seed")
            said = [f"{n} {a} and {b}" for n, a, b in zip(names, self.minhash, wanted, strict=False) if a != b]
            raise ConfigError(
                f"dedup.index {self.store.root}: its keys are made in another way than dedup.minhash says "
                f"({'; '.join(said)}); use its parameters, or make another index with `curate dedup index add`"
            )

    def save(self) -> None:
        """Make this the index, at once."""
        record = {
            "format": FORMAT, "minhash": self.minhash, "next": self.next, "versions": self.versions,
            "shards": [asdict(place) for place in self.shards],
            "segments": [asdict(segment) for segment in self.segments],
            "tombstones": [asdict(each) for each in self.tombstones],
        }  # fmt: skip
        self.store.put(NAME, json.dumps(record, indent=1).encode())


def identity(config: MinhashConfig) -> list[Any]:
    """What decides on a key. JSON values.

    Not the version of the stage `sign`: an index outlives changes to it that leave keys as they are.
    """
    how = [minhash.VERSION, config.bands, config.rows, shingles_of(config).identity(), config.seed]
    return list(json.loads(json.dumps(how)))


def read(path: Path, disk: Disk | None = None) -> Index:
    """The index in a folder. Raises ConfigError where there is none, CurateError where it cannot be read."""
    store = Store(path, disk or Disk())
    try:
        values = json.loads(store.read(NAME))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no index here; expected a folder that `curate dedup index add` made") from None
    except ValueError:
        raise CurateError(f"{path / NAME}: damaged; restore it, or build the index anew") from None
    if values.get("format") != FORMAT:
        raise CurateError(
            f"{path / NAME}: format {values.get('format')}, expected {FORMAT}; use the Curate that wrote it, or build "
            "the index anew with `curate dedup index add`"
        )
    return Index(
        store,
        tuple(values["minhash"]),
        values["next"],
        tuple(values["versions"]),
        tuple(Place(**place) for place in values["shards"]),
        tuple(Segment(File(**each["documents"]), File(**each["keys"])) for each in values["segments"]),
        tuple(Tombstones(File(**each["file"]), each["why"]) for each in values["tombstones"]),
    )


@contextmanager
def changing(path: Path, disk: Disk | None = None, make: MinhashConfig | None = None) -> Iterator[Index]:
    """Hold an index to change it, without what writers that are gone left in it; `make`: an empty one where there is
    none. Raises LockedError, and as `read`.
    """
    store = Store(path, disk or Disk())
    if not make:
        read(path)  # A wrong path must not become a folder.
    with lock(store, HINT):
        index = Index(store, tuple(identity(make))) if make and not store.exists(NAME) else read(path, disk)
        sweep(index)
        yield index


def sweep(index: Index) -> None:
    """Remove files of an index that its manifest does not name. Only for who holds it."""
    known = {file.name for file in index.files()}
    for path in sorted(index.store.root.iterdir()):
        if OURS.fullmatch(path.name) and path.name not in known:
            index.store.delete(path.name)
