"""The pages of a published version: README.md (a Hugging Face dataset card) and croissant.json (Croissant 1.1).

Both are part of the version, hence of its hash: nothing in them depends on a clock, host, path, run or worker count.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import yaml

from curate.config import RunConfig
from curate.ledger import Counts
from curate.reports.croissant import croissant
from curate.reports.facts import domain_of
from curate.reports.method import how_made
from curate.reports.visible import label, markdown, markdown_code
from curate.step import Commit

VERSION = "0.1.0"
"""Of the package. Not asked of the installation: a checkout and a wheel must publish the same bytes."""

CONTENTS = {"lang": pl.String, "source": pl.String, "domain": pl.String, "license": pl.String,
            "is_synthetic": pl.Boolean, "documents": pl.Int64, "bytes": pl.Int64}  # fmt: skip
"""What the card counts over: published documents and bytes of their texts by these labels."""

READ = ["lang", "source", "url", "license", "is_synthetic", "text_bytes"]
"""Columns of the decisions that `contents` looks at."""

HUB_LICENSES = frozenset({
    "apache-2.0", "mit", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0",
    "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-permissive-1.0",
    "cdla-permissive-2.0", "cdla-sharing-1.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0",
    "agpl-3.0", "mpl-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "odc-by", "odbl", "pddl", "unlicense", "wtfpl",
    "zlib", "artistic-2.0", "epl-2.0", "eupl-1.1", "eupl-1.2",
})  # fmt: skip
"""Licence names that the front matter of a dataset card may hold; others become `other`, an unknown one `unknown`."""

SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
         (10_000_000_000, "1B<n<10B"), (100_000_000_000, "10B<n<100B")]  # fmt: skip

ORIGIN = """## Where a row comes from

`id` is a hash of the source's name, the record's URL (or its own id) and the raw record: the same record has the same
id in every version. `source`, `url` and `date` say where it was read; `cluster_id` is the id of the copy that was kept
for its copies and near-copies, and `transforms` what rewrote the text. `dup_count` is how many documents of the input
the row stands for, itself included: 1 where it had no duplicate. Only documents that passed the bounds count, and a
record that was read twice counts once. How often a text was seen is a signal for how often to show it to a model.

Whoever made this version has a ledger beside it with a row for every input record, the rejected ones too: `curate
explain WORK ID` prints all values, bounds and reasons for one, `curate dedup clusters WORK --id ID` what it stands for.
`_manifest.json` has the whole config and the sha256 of every file."""

TAKEDOWN = """## Takedown

The texts were written by others, and each keeps its own licence (column `license`; null means unknown). To have a
document removed, send its `id` or `url` to whoever gave you this dataset. It can be removed together with all that was
synthesised from it (`derived_from`); a version without it has another hash. `opt_out` holds a signal against such use
where one was seen with the page."""

TOP = 30
"""Rows of a table by language, source or domain; the rest is summed up in one."""


def package_version() -> str:
    """The version of Curate."""
    return VERSION


def pages(
    config: RunConfig, manifest: Mapping[str, Any], counts: Counts, parts: Sequence[Commit], kept: pl.DataFrame
) -> dict[str, str]:
    """Name -> text of the pages of a version. `kept`: `contents` of the published documents."""
    rows = sum(part.rows("data") for part in parts)
    described = _description(config, rows, kept)
    return {
        "README.md": _front_matter(config, rows, kept) + "\n" + _body(config, manifest, counts, kept, described),
        "croissant.json": croissant(config, described, _license_names(kept), parts),
    }


def contents(kept: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """CONTENTS of the kept rows of `decisions`, given some at a time."""
    labels = ["lang", "source", "domain", "license", "is_synthetic"]
    counted = [pl.DataFrame(schema=CONTENTS)]
    for rows in kept:
        counted.append(
            rows.with_columns(domain=domain_of("url")).group_by(labels).agg(
                documents=pl.len().cast(pl.Int64), bytes=pl.col("text_bytes").sum().cast(pl.Int64)
            )
        )  # fmt: skip
        # Summed up when it doubled: a domain is in memory about twice, however many slices have it.
        if sum(map(len, counted[1:])) > len(counted[0]):
            counted = [pl.concat(counted).group_by(labels).agg(pl.col("documents", "bytes").sum())]
    return pl.concat(counted).group_by(labels).agg(pl.col("documents", "bytes").sum())


def _synthetic(kept: pl.DataFrame) -> int:
    return int(kept.filter("is_synthetic")["documents"].sum())


def _description(config: RunConfig, rows: int, kept: pl.DataFrame) -> str:
    """One sentence for both pages."""
    stages = ["extracted", "filtered"] if config.measure else ["extracted"]
    stages += ["deduplicated"] if config.dedup else []
    stages += ["judged by a language model"] if config.judge else []
    done = f"{', '.join(stages[:-1])} and {stages[-1]}" if len(stages) > 1 else stages[0]
    synthetic = _synthetic(kept)
    written = f", {synthetic:,} of them written by a language model" if synthetic else ""
    return f"{rows:,} text documents{written}; web text {done} with Curate."


def _front_matter(config: RunConfig, rows: int, kept: pl.DataFrame) -> str:
    """The YAML block that the Hugging Face Hub and `datasets.load_dataset` read."""
    codes = sorted({lang.partition("_")[0] for lang in kept["lang"].drop_nulls()} - {"und"})
    licenses = sorted({_hub_license(name) for name in _license_names(kept)})
    values: dict[str, Any] = {
        "pretty_name": config.name,
        "language": codes,
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "size_categories": [next((name for limit, name in SIZES if rows < limit), "n>1T")],
        "task_categories": ["text-generation"],
        "tags": ["curate", "pretraining", *(["synthetic"] if kept["is_synthetic"].any() else [])],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    }
    present = {name: value for name, value in values.items() if value}
    return f"---\n{yaml.safe_dump(present, sort_keys=False, allow_unicode=True)}---\n"


def _hub_license(name: str | None) -> str:
    if name is None:
        return "unknown"
    return name.lower() if name.lower() in HUB_LICENSES else "other"


def _license_names(kept: pl.DataFrame) -> list[str | None]:
    """Licences of the published documents, the unknown (None) last."""
    return kept["license"].unique().sort(nulls_last=True).to_list()


def _body(config: RunConfig, manifest: Mapping[str, Any], counts: Counts, kept: pl.DataFrame, described: str) -> str:
    sections = [
        f"# {config.name}\n\n{described}",
        _notes(manifest),
        _contents(config, kept),
        how_made(config, manifest),
        _what_became(counts),
        ORIGIN,
        TAKEDOWN,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _notes(manifest: Mapping[str, Any]) -> str:
    """What a user must know before anything else; empty without notes."""
    notes = manifest.get("notes", [])
    return "## Read this first\n\n" + "\n".join(f"- {markdown(note)}" for note in notes) if notes else ""


def _contents(config: RunConfig, kept: pl.DataFrame) -> str:
    documents, text_bytes, synthetic = int(kept["documents"].sum()), int(kept["bytes"].sum()), _synthetic(kept)
    share = f"{synthetic / documents:.1%}" if documents else "none"
    tokens = (text_bytes + 3) // 4
    return "\n\n".join([
        "## What is in it",
        f"{documents:,} documents, {text_bytes:,} bytes of text (UTF-8), about {tokens:,} tokens "
        f"at 4 bytes each. Synthetic: {synthetic:,} ({share}), marked `is_synthetic`, with the ids of the documents "
        "that they were written from in `derived_from` and the model in `generator`.",
        "The files hold training and validation documents together: column `split` says which one a document is"
        + (f" ({config.publish.validation_share:.1%} of the clusters of near-copies are `validation`)."
           if config.publish.validation_share else "; here all are `train`."),
        _table("Language", kept["lang"], kept),
        _table("Source", kept["source"], kept),
        _table("Licence", kept["license"].fill_null("unknown"), kept),
        _table("Domain", kept["domain"].fill_null("none"), kept),
    ])  # fmt: skip


def _table(title: str, labels: pl.Series, kept: pl.DataFrame) -> str:
    """Documents and bytes by label, most documents first."""
    by_label = (
        kept.select("documents", "bytes", label=labels).group_by("label").agg(pl.col("documents", "bytes").sum())
        .sort("documents", "label", descending=[True, False])
    )  # fmt: skip
    shown = by_label.head(TOP).rows()
    if len(by_label) > TOP:
        rest = by_label.slice(TOP)
        shown.append((f"{len(rest):,} others", rest["documents"].sum(), rest["bytes"].sum()))
    lines = [f"| {markdown(label(str(name)))} | {documents:,} | {size:,} |" for name, documents, size in shown]
    return "\n".join([f"| {title} | Documents | Bytes of text |", "|---|---:|---:|", *lines])


def _what_became(counts: Counts) -> str:
    """The funnel in numbers, with every reason."""
    total = counts.records_in + counts.written
    lines = [
        f"| {name} | {number:,} | {number / total if total else 0:.1%} |"
        for name, number in [
            ("read", counts.records_in), ("written by a model", counts.written), ("kept", counts.kept),
            ("rejected", counts.rejected), ("quarantined", counts.quarantined),
        ]
    ]  # fmt: skip
    reasons = [
        f"| {markdown_code(rule)} | {number:,} | {number / total if total else 0:.1%} |"
        for rule, number in sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    skipped = ", ".join(f"{markdown(kind)} {number:,}" for kind, number in sorted(counts.skipped.items()))
    return "\n\n".join([
        "## What became of the input",
        "\n".join(["| Documents | Number | Share |", "|---|---:|---:|", *lines]),
        "Shares are of what was read and written. Records that are no documents and were skipped: "
        + (skipped or "none") + ".",
        "\n".join(["| Reason of a rejection or quarantine | Documents | Share |", "|---|---:|---:|", *reasons])
        if reasons else "Nothing was rejected.",
    ])  # fmt: skip
