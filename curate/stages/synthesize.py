"""synthesize: documents -> textbook paragraphs that an LLM writes from them, accepted or turned away with a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from curate import lineage
from curate.config import LanguageConfig, RunConfig, SynthesizeConfig
from curate.corpus import read_places
from curate.errors import ModelError
from curate.llm import prompts
from curate.llm.answers import Answer, Request, Sampling
from curate.llm.prompts import Prompt
from curate.llm.session import Identity, Llm
from curate.schema import DOCUMENTS, ID, REJECTED
from curate.shards import ShardWriter
from curate.step import PASSING, Task
from curate.storage import Store
from curate.text import language
from curate.text.plain import NORMALISE_VERSION, normalise

VERSION = 1
SOURCE = "synthetic"
COPIED_SPAN_WORDS = 8
REPEATED_SPAN_WORDS = 3
REFUSALS = (
    "as an ai", "as a language model", "as an artificial intelligence", "i'm sorry", "i am sorry", "i cannot",
    "i can't", "i'm unable", "i am unable", "i'm not able to", "i am not able to", "i don't have access",
    "i do not have access",
)  # fmt: skip
"""English only: other languages need their own list. Looked for in the first REFUSAL_CHARS characters."""

REFUSAL_CHARS = 200

TURNED_AWAY = pa.schema([
    ("id", ID),               # what the text would have had; null without an answer
    ("derived_from", ID),     # the document that was to be rewritten
    ("reason", pa.string()),  # synthesize.words=31 < 50, or synthesize.timeout
    ("offset", pa.int64()),   # position among what was asked
])  # fmt: skip

IdentifyLanguage = Callable[[Sequence[str]], tuple[list[str], list[float | None]]]
"""Texts -> languages with script, and their probabilities: `LanguageModel.identify`."""


@dataclass(frozen=True)
class Synthesis:
    """What became of every question: asked = accepted + rejected + failed."""

    accepted: pa.Table
    """Rows of `schema.DOCUMENTS`."""

    rejected: pa.Table
    """Rows of TURNED_AWAY: answered, and a guard said no."""

    failed: pa.Table
    """Rows of TURNED_AWAY: no answer."""

    @property
    def counts(self) -> dict[str, int]:
        """asked, accepted, rejected, failed."""
        parts = {name: getattr(self, name).num_rows for name in ("accepted", "rejected", "failed")}
        return {"asked": sum(parts.values()), **parts}


def synthesize(
    documents: pa.Table, llm: Llm, config: SynthesizeConfig, seed: int, identify_language: IdentifyLanguage
) -> Synthesis:
    """A paragraph from each document (rows of `schema.DOCUMENTS`, further columns ignored); `offset` = position."""
    prompt = prompts.load(config.prompt, "synthesis")
    parents = documents.to_pylist()
    answers = llm.ask([question(parent, prompt, llm, config, seed) for parent in parents])
    texts = [normalise(answer.text or "") for answer in answers]
    languages, probabilities = identify_language(texts)
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for position, (parent, answer, text) in enumerate(zip(parents, answers, texts, strict=True)):
        row = document(parent, text, prompt, llm.identity)
        turned_away = {"derived_from": parent["id"], "offset": position}
        if status := failure(answer):
            failed.append(turned_away | {"id": None, "reason": f"synthesize.{status}"})
        elif reason := guard(parent, answer, text, languages[position], config):
            rejected.append(turned_away | {"id": row["id"], "reason": f"synthesize.{reason}"})
        else:
            place = {"offset": position, "end": position + 1}
            accepted.append(row | place | {"lang": languages[position], "lang_score": probabilities[position]})
    return Synthesis(
        pa.Table.from_pylist(accepted, schema=DOCUMENTS),
        pa.Table.from_pylist(rejected, schema=TURNED_AWAY),
        pa.Table.from_pylist(failed, schema=TURNED_AWAY),
    )


def question(parent: dict[str, Any], prompt: Prompt, llm: Llm, config: SynthesizeConfig, seed: int) -> Request:
    """Sampled with a seed of the document's own, so neither order nor batch decides."""
    sampling = Sampling(
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=prompt.top_p,
        frequency_penalty=prompt.frequency_penalty,
        seed=lineage.uniform(seed, parent["id"], "synthesize") >> 33,  # servers take 31 bits
        stop=prompt.stop,
    )
    content = llm.documents.content(prompt, parent["text"], config.max_source_tokens)
    return Request(parent["text_hash"], prompt.hash, prompt.form, content, sampling)


def failure(answer: Answer) -> str | None:
    """Status and detail of a question without an answer; None where there is one."""
    if answer.status in {"ok", "truncated", "refused"}:
        return None
    return f"{answer.status} ({answer.detail})" if answer.detail else answer.status


def guard(parent: dict[str, Any], answer: Answer, text: str, language: str, config: SynthesizeConfig) -> str | None:
    """Why this answer must not be published, or None. Words are what stands between blanks."""
    words = text.lower().split()
    if answer.status == "refused" or any(phrase in text[:REFUSAL_CHARS].lower() for phrase in REFUSALS):
        return "refusal"
    if answer.status == "truncated":
        return f"truncated at {config.max_tokens} tokens"
    if len(words) < config.min_words:
        return f"words={len(words)} < {config.min_words}"
    if language != parent["lang"]:
        return f"language={language} != {parent['lang']}"
    if (repeated := repeated_share(words)) > config.max_repeated_share:
        return f"repeated_share={repeated!r} > {config.max_repeated_share!r}"
    if (copied := copied_share(words, parent["text"])) > config.max_copied_share:
        return f"copied_share={copied!r} > {config.max_copied_share!r}"
    return None


def repeated_share(words: Sequence[str]) -> float:
    """Share of the 3-word spans that occur before in `words`, 0..1; 0.0 with fewer than 3 words."""
    spans = word_spans(words, REPEATED_SPAN_WORDS)
    return 1.0 - len(set(spans)) / len(spans) if spans else 0.0


def copied_share(words: Sequence[str], source: str) -> float:
    """Share of the 8-word spans of `words` that stand in `source` (case apart), 0..1; 0.0 with fewer than 8 words."""
    spans = word_spans(words, COPIED_SPAN_WORDS)
    known = set(word_spans(source.lower().split(), COPIED_SPAN_WORDS))
    return sum(span in known for span in spans) / len(spans) if spans else 0.0


def word_spans(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    """All runs of `length` words."""
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


def document(parent: dict[str, Any], text: str, prompt: Prompt, identity: Identity) -> dict[str, Any]:
    """The synthetic document's row, language and locator apart."""
    record_key = f"{parent['id'].hex()}:{prompt.hash}"
    return {
        "id": lineage.document_id(SOURCE, record_key, text.encode()),
        "text": text,
        "text_hash": lineage.text_hash(text),
        "url": None,
        "source": SOURCE,
        "date": None,
        "license": parent["license"],
        "license_source": "derived" if parent["license"] is not None else None,
        "opt_out": parent["opt_out"],
        "transforms": [],
        "is_synthetic": True,
        "derived_from": [parent["id"]],
        "generator": {"model": identity.model, "revision": identity.revision, "prompt_hash": prompt.hash},
    }


READ = {"id": pl.Binary, "lang": pl.String, "quality": pl.Float64, "is_synthetic": pl.Boolean, "shard": pl.String,
        "row": pl.Int64}  # fmt: skip
"""Columns of the decisions that `tasks` looks at."""


def tasks(kept: Iterable[pl.DataFrame], config: RunConfig, identity: Identity) -> list[Task]:
    """One task over the best judged documents in the wanted languages; none where there is none. `kept`: rows of READ,
    some at a time.
    """
    assert config.synthesize
    assert config.llm
    wanted = config.synthesize
    fits = pl.col("quality").is_not_null() & ~pl.col("is_synthetic") & pl.col("lang").is_in(list(wanted.languages))
    best = pl.DataFrame(schema=READ)
    for rows in kept:
        both = pl.concat([best, rows.select(list(READ)).filter(fits)])
        best = both.sort(-pl.col("quality"), "id").head(wanted.max_documents)
    if best.is_empty():
        return []
    asked = wanted.model_dump(mode="json", exclude={"prompt", "max_documents", "languages", "max_failed_share"})
    prompt = prompts.load(wanted.prompt, "synthesis").hash
    detection = config.extract.language
    detected_by = detection.model_dump(mode="json") | {"model": language.model_hash(detection.model)}
    versions = [VERSION, NORMALISE_VERSION, language.VERSION]
    what = [versions, prompt, asked, config.seed, config.llm.identity(), str(identity), detected_by]
    # A shard's name says how it was extracted, and so which licence and language the new rows inherit.
    places = list(best.select("shard", "row").iter_rows())
    key = lineage.key("synthesize", what, places, [id_.hex() for id_ in best["id"]])
    args = (places, wanted, config.seed, detection)
    return [Task("synthesize", key, f"{len(places)} documents", synthesize_places, args)]


def synthesize_places(
    writer: ShardWriter,
    store: Store,
    llm: Llm,
    places: Sequence[tuple[str, int]],
    config: SynthesizeConfig,
    seed: int,
    detection: LanguageConfig,
) -> None:
    """Write kinds `documents` and `rejected` for the documents at `places` (shard, row), in that order."""
    before = Counter(llm.counts)
    parents = read_places(store, places, DOCUMENTS.names)
    made = synthesize(parents, llm, config, seed, language.load(detection).identify)
    turned_away = pa.concat_tables([made.rejected, made.failed])
    note_failures(writer, made, config)
    writer.count("in", made.counts["asked"])
    for name, number in sorted({**made.counts, **{f"llm.{n}": c for n, c in (llm.counts - before).items()}}.items()):
        writer.count(name, number)
    writer.write("documents", made.accepted)
    writer.write("rejected", rejected_rows(turned_away))
    writer.write("turned_away", turned_away)


def note_failures(writer: ShardWriter, made: Synthesis, config: SynthesizeConfig) -> None:
    """Mark a result that another attempt may better. Raises ModelError when too many questions got no answer."""
    reasons = sorted(made.failed.column("reason").to_pylist())
    final = ("synthesize.over_long", "synthesize.engine_died")
    passing = [reason for reason in reasons if not reason.startswith(final)]
    if len(passing) > config.max_failed_share * made.counts["asked"]:
        listed = ", ".join(f"{number} {reason}" for reason, number in sorted(Counter(passing).items()))
        raise ModelError(
            f"synthesize: {len(passing)} of {made.counts['asked']} questions got no answer: {listed}. Allowed is a "
            f"share of {config.max_failed_share} (synthesize.max_failed_share). Look at the model server, then run "
            "again: what was answered is kept"
        )
    if passing:
        writer.note(PASSING, lineage.key(reasons, [id_.hex() for id_ in made.accepted.column("id").to_pylist()]))


def rejected_rows(turned_away: pa.Table) -> pa.Table:
    """`TURNED_AWAY` as rows of `schema.REJECTED`, in order of position."""
    rows = sorted(turned_away.to_pylist(), key=lambda row: row["offset"])
    empty = {"url": None, "source": SOURCE, "date": None}
    kept = ("id", "reason", "offset")
    rows = [empty | {name: row[name] for name in kept} | {"end": row["offset"] + 1} for row in rows]
    return pa.Table.from_pylist(rows, schema=REJECTED)
