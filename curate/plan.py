"""Input objects -> splits. A split is known by the content of its object and a range, never by the object's name."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Literal

from curate import readers
from curate.config import InputConfig, RunConfig
from curate.errors import ConfigError, InputError
from curate.inputs import InputObject, find_inputs, open_input
from curate.lineage import key
from curate.storage import Store, hash_of

Format = Literal["warc", "jsonl", "parquet"]
Codec = Literal["gzip", "zstd"]

FORMATS: Mapping[str, Format] = {
    ".warc": "warc", ".wet": "warc", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet",
}  # fmt: skip
CODECS: Mapping[str, Codec] = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Split:
    """A range of one input object that one task reads."""

    planned: InputObject
    """The object as it was when planned."""

    content: str
    """Hex sha256 of the object's bytes (a bucket: its etag and size)."""

    start: int
    end: int
    """Records whose first byte (Parquet: whose row group's number) lies in [start, end) belong to this split."""

    format: Format
    codec: Codec | None
    """Compression of the whole object, by its extension; None for Parquet."""

    input: InputConfig

    @property
    def uri(self) -> str:
        """Where the object is, as the user named it."""
        return self.planned.uri

    @property
    def size(self) -> int:
        """Bytes of the whole object."""
        return self.planned.size

    @property
    def identity(self) -> dict[str, object]:
        """What of this split can change what is read from it: no name and no place."""
        source = self.input.model_dump(mode="json", exclude={"uri", "format"})
        return {
            "content": self.content, "size": self.size, "start": self.start, "end": self.end,
            "format": self.format, "codec": self.codec, "input": source,
        }  # fmt: skip

    @property
    def key(self) -> str:
        """Equal for the same range of the same bytes, read with the same settings."""
        return key("split", self.identity)


@dataclass(frozen=True)
class Plan:
    """All splits of a run, and the objects that could not be planned."""

    splits: tuple[Split, ...]
    failures: tuple[str, ...]
    """One message an object: where, what was got, what was expected."""

    missing: tuple[str, ...] = ()
    """Content hashes of those objects."""


def make_plan(config: RunConfig, work: Store, *, rehash: bool = False) -> Plan:
    """The splits of every input object. Hashes are memoised in the work folder by path, size, mtime and inode."""
    memo = _Memo(work, rehash=rehash)
    splits: list[Split] = []
    failures: list[str] = []
    missing: list[str] = []
    for source in config.inputs:
        objects = {found.uri: found for uri in source.uris for found in find_inputs(uri)}
        if not objects:
            failures.append(f"input {', '.join(source.uris)}: no files there; expected at least one")
        for found in objects.values():
            check_place(found.uri, config)
            try:
                splits += _splits(found, source, memo, config.execution.split_bytes)
            except InputError as error:
                failures.append(str(error))
                missing += memo.known(found)
    memo.save()
    return Plan(tuple(splits), tuple(failures), tuple(missing))


def check_place(uri: str, config: RunConfig) -> None:
    """Raise ConfigError for an input object that a run of this config wrote."""
    for name, folder in (("output", config.output), ("work", config.work)):
        if Path(uri).resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"input {uri} lies in {name} {folder}: a run would read what it wrote; move either")


def _splits(found: InputObject, source: InputConfig, memo: "_Memo", split_bytes: int) -> list[Split]:
    kind, codec = format_of(found.uri, source)
    content = memo.hash(found)
    with open_input(found, memo.disk) as stream:
        try:
            # An empty object is a split too: that nothing was in it is written down.
            ranges = readers.ranges(stream, found.size, kind, codec, split_bytes) or [(0, 0)]
        except InputError as error:
            raise InputError(f"{found.uri}: {error}") from error
    return [Split(found, content, start, end, kind, codec, source) for start, end in ranges]


def format_of(uri: str, source: InputConfig) -> tuple[Format, Codec | None]:
    """Format and compression by the config, else by extension: a.warc.gz is (warc, gzip). Raises ConfigError."""
    suffixes = [s.lower() for s in PurePath(uri).suffixes]
    codec = CODECS.get(suffixes[-1]) if suffixes else None
    extension = suffixes[-2 if codec else -1] if len(suffixes) > (1 if codec else 0) else ""
    kind = source.format or FORMATS.get(extension)
    if kind is None:
        near = get_close_matches(extension, FORMATS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"input {uri}: no format known for extension {extension!r}{hint} Expected one of {', '.join(FORMATS)} "
            f"(but for Parquet with .gz or .zst), or `format: warc | jsonl | parquet` in source {source.source!r}"
        )
    return kind, None if kind == "parquet" else codec


class _Memo:
    """Content hashes of objects that did not change since they were hashed."""

    NAME = "content_hashes.json"

    def __init__(self, work: Store, *, rehash: bool) -> None:
        self.disk = work.disk
        self._work = work
        self._known: dict[str, str] = {}
        if work.exists(self.NAME) and not rehash:
            with suppress(ValueError):  # Damaged: the objects are hashed anew.
                self._known = dict(json.loads(work.read(self.NAME)))
        self._changed = False

    def known(self, found: InputObject) -> list[str]:
        """Its hash, if it could be taken."""
        return [self._known[entry] for entry in [_entry(found)] if entry in self._known]

    def hash(self, found: InputObject) -> str:
        entry = _entry(found)
        if entry not in self._known:
            with open_input(found, self.disk) as stream:
                self._known[entry] = hash_of(stream)
            self._changed = True
        return self._known[entry]

    def save(self) -> None:
        if self._changed:
            self._work.put(self.NAME, json.dumps(self._known, indent=0, sort_keys=True).encode())


def _entry(found: InputObject) -> str:
    return f"{found.uri}:{found.size}:{found.mtime_ns}:{found.inode}"
