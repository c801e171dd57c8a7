"""Documents of a finished run, a published version or any JSONL and Parquet files, searched for evaluation sets.

Reads what is there and removes nothing: to remove, give `contamination.ngram` a bound in the config. One batch of
texts is in memory at a time, beside the sets.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from curate import readers
from curate.config import ExtractConfig, InputConfig
from curate.config.lists import EvaluationFile, EvaluationSet, packed
from curate.config.sections import Fields
from curate.config.values import unknown
from curate.errors import ConfigError, InputError
from curate.inputs import InputObject, find_inputs, open_input
from curate.plan import FORMATS, Split, format_of
from curate.readers import Record, Skipped
from curate.reports import run_record
from curate.shards import open_parquet
from curate.storage import Disk, Store
from curate.text import evaluation_file
from filters import TextBatch
from filters.contamination import Hit, hits
from filters.evaluation import EvaluationSets, Settings

BATCH_BYTES = 8_000_000
SPLIT_BYTES = 64_000_000
SAMPLE_CHARS = 400
"""Of a document's text that a sample shows."""


@dataclass(frozen=True)
class Place:
    """Where a document is."""

    object: str
    """The file; of a run, the shard in its work folder."""

    offset: int
    """Byte of a JSONL object, row of a Parquet file or shard."""

    id: str | None = None
    """32 hexadecimal digits, of a run's documents."""

    status: str | None = None
    """kept or rejected, of a run's documents."""


@dataclass(frozen=True)
class Found:
    """A text of an evaluation set in a document: a line of the report."""

    set: str
    item: int
    """Line of the set's file, from 1 on, those of several files one after the other; the first with this text."""

    field: str
    document: Place
    containment: float
    """Share of the text's n-grams that are in the document, 0..1."""

    matched: int
    grams: int
    start: int
    end: int
    """Characters of the document: the stretch with most of the text."""

    stretches: int

    def to_json(self) -> dict[str, Any]:
        """One flat object."""
        values = asdict(self)
        return {"set": values.pop("set"), **values.pop("document"), **values}


@dataclass
class SetCount:
    """What was looked for of one set, and what was found."""

    items: int
    """Items with text."""

    texts: int
    """Different texts that were looked for."""

    too_short: int
    only_common: int
    """Different texts that were not looked for: of too few words; of n-grams of too many texts alone."""

    common_grams: int
    """N-grams that did not count, as too many texts share them."""

    items_found: int = 0
    documents: int = 0
    highest: float = 0.0
    """Largest containment, 0..1."""


@dataclass
class Contamination:
    """What was found in all documents."""

    sets: dict[str, SetCount]
    documents: int = 0
    bytes: int = 0
    contaminated: int = 0
    """Documents with a text of some set."""

    unread: int = 0
    """Records without text, or that could not be read."""

    samples: list[tuple[Found, str]] = field(default_factory=list)
    """The first ones, with the document's text there; in no report and no JSON."""

    def to_json(self) -> dict[str, Any]:
        """Everything but the samples."""
        return {name: value for name, value in asdict(replace(self, samples=[])).items() if name != "samples"}


def sets_of(files: Sequence[str], fields: Sequence[str]) -> EvaluationSets:
    """Of `NAME=PATH` and `NAME=FIELD,FIELD`, each of which may be repeated. Raises ConfigError."""
    paths: dict[str, list[str]] = {}
    for argument in files:
        name, _, path = argument.partition("=")
        if not name or not path:
            raise ConfigError(f"--set {argument}: expected NAME=PATH, such as gsm8k=evals/gsm8k.jsonl")
        paths.setdefault(name, []).append(path)
    chosen: dict[str, list[str]] = {}
    for argument in fields:
        name, _, several = argument.partition("=")
        if not several:
            raise ConfigError(f"--field {argument}: expected SET=FIELD,FIELD, such as gsm8k=question,answer")
        if name not in paths:
            raise ConfigError(f"--field {argument}: {unknown('set', name, list(paths))}")
        chosen.setdefault(name, []).extend(several.split(","))
    try:
        return packed((name, _set(each, chosen.get(name, []))) for name, each in paths.items())
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; {evaluation_file.EXPECTED}") from None


def _set(paths: Sequence[str], fields: Sequence[str]) -> EvaluationSet:
    files = tuple(EvaluationFile(path=path, format=evaluation_file.format_of(Path(path))) for path in paths)
    return EvaluationSet(files=files, fields=tuple(fields))


def decontaminate(
    data: Sequence[Path],
    sets: EvaluationSets,
    settings: Settings,
    *,
    share: float,
    text: str = "text",
    samples: int = 0,
    write: Callable[[Found], object] | None = None,
) -> Contamination:
    """Search every document of `data` and hand each finding to `write`, by file, document and text.

    `data`: work folders of finished runs, outputs, and files, folders or globs of JSONL and Parquet with the field
    `text`. `share`: the least containment, 0..1. Raises ConfigError where there is nothing to read.
    """
    try:
        index = sets.index(settings)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    whole = _Rows(sets)
    total = Contamination(whole.counts(index.num_grams, index.too_short, index.num_common))
    for path in data:
        for source in _sources(path, text):
            for batch, places in source(total):
                total.documents += len(batch)
                total.bytes += int(batch.offsets[-1])
                for found, hit in whole.found(hits(batch, sets, settings, share), places, total):
                    if write:
                        write(found)
                    if len(total.samples) < samples:
                        total.samples.append((found, _excerpt(batch, hit)))
    if not total.documents:
        raise ConfigError(f"{', '.join(map(str, data))}: no document with a text; expected --text to name the field")
    whole.finish(total)
    return total


Batches = Iterator[tuple[TextBatch, Sequence[Place]]]
Source = Callable[[Contamination], Batches]


class _Rows:
    """Rows of the sets, and which of their texts were found."""

    def __init__(self, sets: EvaluationSets) -> None:
        self._sets = sets
        self._row_set = sets.text_set[sets.row_text]
        self._first_row = np.unique(sets.row_text, return_index=True)[1]
        self._hit = np.zeros(len(sets.text_set), np.bool_)

    def counts(
        self, num_grams: npt.NDArray[np.int32], too_short: npt.NDArray[np.bool_], num_common: npt.NDArray[np.int64]
    ) -> dict[str, SetCount]:
        found = {}
        for number, name in enumerate(self._sets.names):
            texts = self._sets.text_set == number
            looked_for, short = texts & (num_grams > 0), texts & too_short
            left = int(texts.sum() - looked_for.sum() - short.sum())
            found[name] = SetCount(
                self._items(number, np.ones(len(texts), np.bool_)), int(looked_for.sum()), int(short.sum()), left,
                int(num_common[number]),
            )  # fmt: skip
        return found

    def found(
        self, several: Iterator[Hit], places: Sequence[Place], total: Contamination
    ) -> Iterator[tuple[Found, Hit]]:
        """Also counts documents, of all and of each set: the hits of one stand together."""
        last: dict[str | None, int] = {}
        for hit in several:
            name = self._sets.names[self._sets.text_set[hit.text]]
            count = total.sets[name]
            count.highest = max(count.highest, hit.containment)
            count.documents += last.get(name) != hit.document
            total.contaminated += last.get(None) != hit.document
            last[name] = last[None] = hit.document
            self._hit[hit.text] = True
            row = self._first_row[hit.text]
            yield Found(
                name, int(self._sets.row_item[row]), self._sets.fields[self._sets.row_field[row]],
                places[hit.document], hit.containment, hit.matched, hit.grams, hit.start, hit.end, hit.stretches,
            ), hit  # fmt: skip

    def finish(self, total: Contamination) -> None:
        for number, name in enumerate(self._sets.names):
            total.sets[name].items_found = self._items(number, self._hit)

    def _items(self, number: int, texts: npt.NDArray[np.bool_]) -> int:
        """Items of a set that have one of the texts."""
        rows = (self._row_set == number) & texts[self._sets.row_text]
        return len(np.unique(self._sets.row_item[rows]))


def _excerpt(batch: TextBatch, hit: Hit) -> str:
    text = batch.data[batch.offsets[hit.document] : batch.offsets[hit.document + 1]].tobytes().decode(errors="replace")
    return text[hit.start : min(hit.end, hit.start + SAMPLE_CHARS)]


def _sources(path: Path, text: str) -> Iterator[Source]:
    """What reads each file below a path. Raises ConfigError where there is none."""
    if (path / run_record.NAME).is_file():
        yield lambda total: _of_run(path, total)
        return
    published = path / "current" if (path / "current").exists() else path
    if (published / "_manifest.json").is_file():
        path = published / "data"
    source = InputConfig(source="data", uri=(str(path),), fields=Fields(text=text))
    objects = find_inputs(str(path))
    if path.is_dir():  # What else lies there is no fault: a read-me, a checksum.
        objects = [found for found in objects if any(suffix in FORMATS for suffix in Path(found.uri).suffixes)]
    if not objects:
        raise ConfigError(f"{path}: no file to read there; expected {', '.join(FORMATS)}, or the work folder of a run")
    for found in objects:
        kind, _ = format_of(found.uri, source)
        if kind == "warc":
            raise ConfigError(f"{found.uri}: raw pages; run a config over them and give its work folder")
        yield lambda total, found=found: _of_file(found, source, total)  # type: ignore[misc]  # bound here, not later


def _of_file(found: InputObject, source: InputConfig, total: Contamination) -> Batches:
    kind, codec = format_of(found.uri, source)
    texts: list[bytes] = []
    places: list[Place] = []
    size = 0
    with open_input(found, Disk()) as stream:
        try:
            for start, end in readers.ranges(stream, found.size, kind, codec, SPLIT_BYTES):
                split = Split(found, "", start, end, kind, codec, source)
                for item in readers.read(stream, split, ExtractConfig()):
                    if isinstance(item, Record):
                        texts.append(item.payload)
                        places.append(Place(found.uri, item.offset))
                        size += len(item.payload)
                        if size >= BATCH_BYTES:
                            yield _batch(texts), places
                            texts, places, size = [], [], 0
                    elif not isinstance(item, Skipped):
                        total.unread += 1
        except InputError as error:
            raise InputError(f"{found.uri}: {error}") from error
    yield _batch(texts), places


def _batch(texts: Sequence[bytes]) -> TextBatch:
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return TextBatch(np.frombuffer(b"".join(texts), np.uint8), offsets)


def _of_run(work: Path, total: Contamination) -> Batches:
    """Every stored text of the last run, kept or not, once."""
    del total
    run_record.read(work)
    store = Store(work)
    ledger = store.scan(store.list("ledger")).filter(pl.col("shard").is_not_null())
    for shard in ledger.select("shard").unique().collect()["shard"].sort():
        # Rows of identical objects share a text: kept stands before rejected.
        decided = ledger.filter(pl.col("shard") == shard).group_by("row").agg(pl.col("status").min()).collect()
        status: Mapping[int, str] = dict(decided.iter_rows())
        row = 0
        with open_parquet(store, shard) as file:
            for table in file.iter_batches(1000, columns=["id", "text"], use_threads=False):
                ids = [each.hex() for each in table.column("id").to_pylist()]
                places = [Place(shard, row + i, id_, status.get(row + i)) for i, id_ in enumerate(ids)]
                yield _batch([each.encode() for each in table.column("text").to_pylist()]), places
                row += table.num_rows
