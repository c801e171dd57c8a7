"""extract: records of an input split -> documents with their language; what is turned away, with the reason.

A `lang` field that the config maps is taken as it stands (as a code of ours, without a score); where it is missing or
no language code, the model decides. A record's own licence comes before the one that the config gives its source.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from curate import lineage, readers, schema
from curate.config import RunConfig
from curate.inputs import open_input
from curate.plan import Split
from curate.readers import Item, Quarantined, Record, Rejected, Skipped
from curate.readers.record import Extra
from curate.step import ALL, Rows, Task
from curate.storage import Store
from curate.text import language, plain
from curate.text.buffers import text_array
from curate.text.language import LanguageModel
from curate.text.language_codes import UNDETERMINED

VERSION = 1

LIBRARIES = ("resiliparse", "fasttext-community", "orjson", "pyarrow")
"""Another version of one of these may read another text, or find another language."""

WORKER_DIED = "worker.died"
DIED = "twice the worker died (it crashed or needed more memory than it may) when"

SECONDS = pa.timestamp("s", "UTC")
"""What readers give; Parquet has no seconds, so shards have milliseconds."""

BATCH_RECORDS = 256
BATCH_BYTES = 16 << 20
"""A batch is written at whichever comes first: that many records, or bytes of text and characters beside it."""

NORMALISE = f"normalise@{plain.NORMALISE_VERSION}"
HTML = f"html_to_text@{plain.TEXT_VERSION}"
TRANSFORMS = pa.array([[NORMALISE], [HTML, NORMALISE]], schema.DOCUMENTS.field("transforms").type)
"""Those of a text, and of an HTML page."""

NO_PARENTS = pa.scalar([], schema.DOCUMENTS.field("derived_from").type)


class Writer(Protocol):
    """What this stage needs of step.ShardWriter."""

    def write(self, kind: str, table: pa.Table) -> None:
        """Append rows of one kind."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter."""


def identity(config: RunConfig) -> list[object]:
    """What of code, config and model can change what is extracted. The model counts by its content, not by its path."""
    chosen = config.extract.model_dump(mode="json")
    chosen["language"]["model"] = language.model_hash(config.extract.language.model)
    versions = [VERSION, readers.VERSION, plain.TEXT_VERSION, plain.NORMALISE_VERSION, language.VERSION]
    return [versions, *map(version, LIBRARIES), chosen]


def tasks(splits: Sequence[Split], config: RunConfig) -> list[Task]:
    """One task a split; equal content, range and input settings give an equal key, whatever the object's name."""
    what = identity(config)
    return [
        Task("extract", lineage.key("extract", split.identity, what), split.uri, extract_split, (split, config),
             divisible=True)
        for split in splits
    ]  # fmt: skip


def extract_split(writer: Writer, store: Store, split: Split, config: RunConfig, rows: Rows = ALL) -> None:
    """Open the split's object and extract it."""
    with open_input(split.planned, store.disk) as stream:
        extract(stream, split, config, writer, rows)


def extract(stream: BinaryIO, split: Split, config: RunConfig, writer: Writer, rows: Rows = ALL) -> None:
    """Write kinds documents, rejected and quarantined; count `in` and `skipped.<type>`. Memory: one batch."""
    batch = _Batch(split, config, language.load(config.extract.language))
    items = readers.read(stream, split, config.extract)
    if split.size == 0:
        items = iter([Quarantined(f"{split.format}.empty", "0 bytes, expected at least one record", 0, 0)])
    for item in _looked_at(items, split, rows):
        if isinstance(item, Skipped):
            writer.count(f"skipped.{item.type}")
            continue
        writer.count("in")
        batch.add(item)
        if batch.records >= BATCH_RECORDS or batch.size >= BATCH_BYTES:
            batch.flush(writer)
    batch.flush(writer)


def _looked_at(items: Iterator[Item], split: Split, rows: Rows) -> Iterator[Item]:
    """The items that `rows` names, and Quarantined for what it leaves out; nothing is read behind the last one."""
    stop = rows.last if rows.barrier is None else rows.barrier
    number, end = 0, 0 if split.format == "parquet" else split.start
    while number != stop and (item := next(items, None)):
        if isinstance(item, Skipped):
            yield item
            continue
        if number in rows:
            yield item
        elif number in rows.without:
            yield Quarantined(WORKER_DIED, f"{DIED} this record alone was extracted", item.offset, item.end)
        number, end = number + 1, item.end
    if rows.barrier is not None:
        # Where the split ends is known in stored bytes, where the record begins perhaps in decompressed ones or rows.
        yield Quarantined(WORKER_DIED, f"{DIED} the reader went on from here", end, max(end, split.end))


class _Document(NamedTuple):
    """What a batch keeps of a record: not its payload, which may be many times its text."""

    id: bytes
    text: bytes
    """Normalised, in UTF-8."""

    url: str | None
    date: int | None
    lang: str | None
    license: str | None
    opt_out: str | None
    is_html: bool
    extra: Extra
    offset: int
    end: int


@dataclass
class _Batch:
    """Rows that wait to be written together; the model and Arrow work on many at once."""

    split: Split
    config: RunConfig
    model: LanguageModel
    records: int = 0
    size: int = 0
    """Bytes of text and characters beside it."""

    documents: list[_Document] = field(default_factory=list)
    rejected: list[tuple[Rejected, bytes | None]] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Take in one item that counts."""
        self.records += 1
        if isinstance(item, Record):
            self._extract(item)
        elif isinstance(item, Rejected):
            self._reject(item)
        elif isinstance(item, Quarantined):
            self.quarantined.append(item)

    def _extract(self, record: Record) -> None:
        found = _text_of(record, self.config)
        if isinstance(found, plain.Problem):
            self.quarantined.append(Quarantined(found.reason, found.detail, record.offset, record.end))
            return
        if not found:
            self._reject(
                Rejected("extract.no_text", record.url, record.record_key, record.payload, record.date, record.offset,
                         record.end)
            )  # fmt: skip
            return
        beside = (record.url, record.license, record.lang, *record.extra.values())
        self.size += len(found) + _characters(beside)
        self.documents.append(
            _Document(
                self._id(record.record_key, record.payload), found, record.url, record.date, record.lang,
                record.license, record.opt_out, record.kind == "html", record.extra, record.offset, record.end,
            )
        )  # fmt: skip

    def _reject(self, item: Rejected) -> None:
        self.size += _characters((item.url, item.record_key))
        identity = None if item.payload is None else self._id(item.record_key, item.payload)
        self.rejected.append((replace(item, payload=None), identity))

    def _id(self, record_key: str, payload: bytes) -> bytes:
        return lineage.document_id(self.split.input.source, record_key, payload)

    def flush(self, writer: Writer) -> None:
        """Write what waits."""
        if self.documents:
            writer.write("documents", self._documents())
        if self.rejected:
            writer.write("rejected", self._rejected())
        if self.quarantined:
            writer.write("quarantined", self._quarantined())
        self.documents, self.rejected, self.quarantined = [], [], []
        self.records = self.size = 0

    def _documents(self) -> pa.Table:
        source, made = self.split.input, self.documents
        texts = [d.text for d in made]
        langs, scores = self._languages([d.lang for d in made], texts)
        columns: dict[str, Any] = {
            "id": [d.id for d in made],
            "text": _text_column(texts),
            "text_hash": [lineage.utf8_hash(text) for text in texts],
            "url": [d.url for d in made],
            "source": pa.repeat(source.source, len(made)),
            "date": pa.array([d.date for d in made], SECONDS),
            "lang": langs,
            "lang_score": scores,
            "license": [d.license or source.license for d in made],
            "license_source": ["record" if d.license else "config" if source.license else None for d in made],
            "opt_out": [d.opt_out for d in made],
            "transforms": TRANSFORMS.take(pa.array([int(d.is_html) for d in made])),
            "is_synthetic": pa.repeat(pa.scalar(value=False), len(made)),
            "derived_from": pa.repeat(NO_PARENTS, len(made)),
            "generator": pa.nulls(len(made), schema.GENERATOR),
            "offset": [d.offset for d in made],
            "end": [d.end for d in made],
        }
        columns |= {name: [d.extra.get(name) for d in made] for name in source.extra}
        return _table(columns, schema.with_extra(schema.DOCUMENTS, source.extra))

    def _languages(self, stated: Sequence[str | None], texts: Sequence[bytes]) -> tuple[list[str], list[float | None]]:
        codes = {lang: language.normalise_code(lang) if lang else None for lang in set(stated)}
        given = [codes[lang] for lang in stated]
        asked = [i for i, code in enumerate(given) if code is None]
        most = 4 * self.config.extract.language.max_chars  # More than the model looks at.
        heads = [texts[i][:most].decode(errors="ignore") for i in asked]
        found, probabilities = self.model.identify(heads)
        langs = [code or UNDETERMINED for code in given]
        scores: list[float | None] = [None] * len(texts)
        for i, code, score in zip(asked, found, probabilities, strict=True):
            langs[i], scores[i] = code, score
        return langs, scores

    def _rejected(self) -> pa.Table:
        items = [item for item, _ in self.rejected]
        columns = {
            "id": [identity for _, identity in self.rejected],
            "url": [i.url for i in items],
            "source": pa.repeat(self.split.input.source, len(items)),
            "date": pa.array([i.date for i in items], SECONDS),
            "reason": [i.reason for i in items],
            "offset": [i.offset for i in items],
            "end": [i.end for i in items],
        }
        return _table(columns, schema.REJECTED)

    def _quarantined(self) -> pa.Table:
        items = self.quarantined
        columns = {
            "source": pa.repeat(self.split.input.source, len(items)),
            "reason": [i.reason for i in items],
            "detail": [i.detail for i in items],
            "offset": [i.offset for i in items],
            "end": [i.end for i in items],
        }
        return _table(columns, schema.QUARANTINED)


def _text_of(record: Record, config: RunConfig) -> bytes | plain.Problem:
    """Normalised text of a record, in UTF-8; empty where it has none."""
    if record.kind == "html":
        found = plain.html_to_text(record.payload, record.charset, config.extract)
        return found if isinstance(found, plain.Problem) else plain.normalise(found).encode()
    if record.charset == "utf-8" and plain.is_normal(record.payload):
        return record.payload
    return plain.normalise(plain.decode(record.payload, record.charset, is_html=False)).encode()


def _text_column(texts: Sequence[bytes]) -> pa.Array:
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return text_array(np.frombuffer(b"".join(texts), np.uint8), offsets)


def _characters(values: Iterable[object]) -> int:
    return sum(len(value) for value in values if isinstance(value, str))


def _table(columns: dict[str, Any], wanted: pa.Schema) -> pa.Table:
    arrays = [
        column.cast(f.type) if isinstance(column := columns[f.name], pa.Array) else pa.array(column, f.type)
        for f in wanted
    ]
    return pa.table(arrays, schema=wanted)
