"""Columns, types and units of every dataset on disk. Read this first.

A *split* is a part of one input object. Each per-split stage commits a folder `stages/<stage>/<key>/` below the work
folder, with numbered shards of one or more *kinds* and, last, `commit.json`. `extract` and `synthesize` write kind
`documents`, `trim` again where lines leave, and `rewrite` where the config has a transform; `measure` writes
`measures`, row for row alike; `judge` writes `scores`.
"""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

SCHEMA_VERSION = 4
"""Raised when a dataset on disk changes its columns, types or meaning; written into every file's metadata."""

SYNTHETIC = "synthetic"
"""What the ledger names as the input object of a text that an LLM wrote."""

ID = pa.binary(16)
"""128 bits of BLAKE3; see lineage.document_id."""

GENERATOR = pa.struct([("model", pa.string()), ("revision", pa.string()), ("prompt_hash", pa.string())])

DOCUMENTS = pa.schema([
    ("id", ID),                             # source name, record key and payload, hashed
    ("text", pa.large_string()),            # normalised; empty only where a transform left nothing
    ("text_hash", ID),                      # BLAKE3 of `text`
    ("url", pa.string()),                   # exactly as stored; null where the record has none
    ("source", pa.string()),                # from the config
    ("date", pa.timestamp("ms", "UTC")),    # null where absent or unreadable
    ("lang", pa.string()),                  # ISO 639-3 with script, such as eng_Latn; und
    ("lang_score", pa.float64()),           # probability of `lang`, 0..1; that of the best guess for und
    ("license", pa.string()),               # of the record, else of the source; null is unknown
    ("license_source", pa.string()),        # record | config | derived (of what it was written from)
    ("opt_out", pa.string()),               # signal seen in headers or page, such as noai; null is none seen
    ("transforms", pa.list_(pa.string())),  # what rewrote the text, in order, with versions
    ("is_synthetic", pa.bool_()),
    ("derived_from", pa.list_(ID)),         # ids that a synthetic text was written from, else empty
    ("generator", GENERATOR),               # null unless synthetic
    ("offset", pa.int64()),                 # locator: first byte (WARC, JSONL) or row (Parquet) in the input object
    ("end", pa.int64()),                    # one past the last
])  # fmt: skip
"""One row a document; `extra` columns of the config follow (see `documents_schema`)."""

REJECTED = pa.schema([
    ("id", ID),                             # null where the record has no payload to hash
    ("url", pa.string()),
    ("source", pa.string()),
    ("date", pa.timestamp("ms", "UTC")),
    ("reason", pa.string()),                # such as extract.status=404, extract.no_text
    ("offset", pa.int64()),
    ("end", pa.int64()),
])  # fmt: skip
"""One row a document that a stage of one split turned away."""

QUARANTINED = pa.schema([
    ("source", pa.string()),
    ("reason", pa.string()),                # such as warc.truncated, jsonl.invalid_utf8
    ("detail", pa.string()),                # what was got and what was expected; never text of a document
    ("offset", pa.int64()),                 # byte range in the input object (rows for Parquet)
    ("end", pa.int64()),
])  # fmt: skip
"""One row a record, or a damaged stretch of an object, that could not be read."""

SCORE = pa.schema([
    ("", pa.float64()),                     # expected value over the rubric's choices; null unless status is scored
    ("_entropy", pa.float64()),             # bits, of the distribution over the choices
    ("_seen", pa.float64()),                # share of the text's characters that the judge saw, 0..1
    ("_status", pa.string()),               # scored | not_sampled | a failure: see llm/scoring.py
    ("_source", pa.string()),               # judge | distilled; null unless scored
    ("_model", pa.string()),                # model@revision/rubric@version; null unless scored
])  # fmt: skip
"""What follows the name of a score: `quality` for the rubric that decides, `score_<name>` for each further one."""

PUBLISHED_SCORE = ["", "_status", "_source", "_model"]
"""What of a score is published."""

SCORES = pa.schema([("id", ID), ("text_hash", ID), *(pa.field(f"quality{f.name}", f.type) for f in SCORE)])
"""One row a judged document; the scores by further rubrics follow."""

EDGES = pa.schema([
    ("a", ID),                              # text_hash, a < b
    ("b", ID),
    ("similarity", pa.float64()),           # exact Jaccard of the two texts' shingles
    ("containment", pa.float64()),          # shared shingles over those of the smaller set
    ("kind", pa.string()),                  # similar (by the Jaccard) | contained (by the containment alone)
    ("a_number", pa.int64()),               # number of the first document with the text: see corpus.first_numbers
    ("b_number", pa.int64()),
])  # fmt: skip
"""Verified near-duplicates between distinct texts. Equal texts need no edge: they share a text_hash."""

LEDGER = pa.schema([
    ("object", pa.string()),                # input object that the record stands in, as the plan names it
    ("offset", pa.int64()),
    ("end", pa.int64()),
    ("status", pa.string()),                # kept | rejected | quarantined
    ("reason", pa.string()),                # why not kept: null when kept
    ("id", ID),
    ("text_hash", ID),
    ("url", pa.string()),
    ("source", pa.string()),
    ("date", pa.timestamp("ms", "UTC")),
    ("lang", pa.string()),
    ("lang_score", pa.float64()),
    ("is_synthetic", pa.bool_()),
    ("derived_from", pa.list_(ID)),
    ("text_chars", pa.int64()),             # code points of the text; null where there is none
    ("token_estimate", pa.int64()),         # UTF-8 bytes / 4, rounded up: English prose has 4 to 4.5 bytes a token
    ("cluster_id", ID),                     # id of the keeper of its duplicates; its own where it has none
    ("dup_count", pa.int64()),              # documents of the cluster, itself included
    ("similarity", pa.float64()),           # Jaccard with its keeper; null for keepers
    ("exact", pa.bool_()),                  # whether it has its keeper's text; null where dup_count is 1
    ("keeper_source", pa.string()),         # of its keeper; null where dup_count is 1
    ("keeper_lang", pa.string()),
    ("quality", pa.float64()),              # see SCORE
    ("quality_entropy", pa.float64()),
    ("quality_seen", pa.float64()),
    ("quality_status", pa.string()),
    ("quality_source", pa.string()),
    ("quality_model", pa.string()),
    ("shard", pa.string()),                 # where our stored text is: shard in the work folder
    ("row", pa.int64()),                    # and row; both null where there is no text
])  # fmt: skip
"""One row an input record of each planned split; scores by further rubrics and the measures' columns
(`rule@semantics.version`) follow."""

DATA = pa.schema([
    ("id", pa.string()),                    # 32 hexadecimal digits
    ("text", pa.large_string()),
    ("url", pa.string()),
    ("source", pa.string()),
    ("date", pa.timestamp("ms", "UTC")),
    ("lang", pa.string()),
    ("lang_score", pa.float64()),
    ("quality", pa.float64()),
    ("quality_status", pa.string()),
    ("quality_source", pa.string()),
    ("quality_model", pa.string()),
    ("token_count", pa.int64()),            # exact, by the tokenizer that the card names; null where none is configured
    ("cluster_id", pa.string()),
    ("dup_count", pa.int64()),
    ("split", pa.string()),                 # train | validation, by hash of the cluster
    ("is_synthetic", pa.bool_()),
    ("derived_from", pa.list_(pa.string())),
    ("generator", GENERATOR),
    ("license", pa.string()),
    ("license_source", pa.string()),
    ("opt_out", pa.string()),
    ("transforms", pa.list_(pa.string())),
    ("text_hash", pa.string()),
])  # fmt: skip
"""Published rows; scores by further rubrics, measures with `publish: true` and the config's extra columns follow."""

EXTRA_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}


def with_extra(schema: pa.Schema, extra: Mapping[str, str]) -> pa.Schema:
    """`schema` followed by the config's extra columns, in order of their names."""
    return pa.schema([*schema, *(pa.field(name, EXTRA_TYPES[extra[name]]) for name in sorted(extra))])


def with_scores(schema: pa.Schema, further: Iterable[str], parts: Sequence[str] = SCORE.names) -> pa.Schema:
    """`schema` followed by the columns of each further score, in the config's order."""
    columns = [pa.field(f"score_{name}{part}", SCORE.field(part).type) for name in further for part in parts]
    return pa.schema([*schema, *columns])


def with_measures(schema: pa.Schema, columns: Iterable[str]) -> pa.Schema:
    """`schema` followed by one float64 column a measure (`rule@semantics.version`), in the config's order."""
    return pa.schema([*schema, *(pa.field(name, pa.float64()) for name in columns)])


def measures_schema(columns: Iterable[str]) -> pa.Schema:
    """What `measure` commits: the text's UTF-8 bytes and characters, then one float64 column a measure."""
    return with_measures(pa.schema([("text_bytes", pa.int64()), ("text_chars", pa.int64())]), columns)
