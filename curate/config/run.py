"""The frozen config of a run, whole.

Absent means off: a stage, a bound or a field that is not in the file does nothing. Fields marked *placement* say where
or how fast a run happens, never what comes out: they do not enter `RunConfig.identity()`, hence no key and no version.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from curate.config.dedup import DedupConfig
from curate.config.languages import LanguageBounds, each_once, faults, with_languages
from curate.config.lists import without_places
from curate.config.measures import Measured, MeasureStep, measured, repeated
from curate.config.models import JudgeConfig, LlmConfig, SynthesizeConfig
from curate.config.sections import (
    ExecutionConfig,
    ExtractConfig,
    InputConfig,
    PublishConfig,
    ReportConfig,
)
from curate.config.values import (
    Language,
    LocalPath,
    Strict,
    unknown,
    without_place,
)
from curate.config.yaml_source import Findings

PLACEMENT = {"output", "work", "inputs", "execution", "report"}
"""Top-level keys that never enter a key or a version (of `inputs`, what matters enters per split)."""


class RunConfig(Strict):
    """Everything that a run depends on."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    """Names the dataset in its card."""

    inputs: Annotated[tuple[InputConfig, ...], Field(min_length=1)]
    output: LocalPath
    """*Placement.* Folder of the published versions."""

    work: LocalPath
    """*Placement.* Folder of intermediate shards, ledger and report."""

    seed: int = 1
    """Of every sample: a document is drawn by hash(seed, id)."""

    extract: ExtractConfig = ExtractConfig()
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] | None = None
    """Keep only documents in these languages (`eng_Latn`, or `en` for short). Absent: all, `und` included."""

    measure: tuple[MeasureStep, ...] = ()
    by_language: Annotated[Mapping[Language, LanguageBounds], BeforeValidator(each_once)] = {}
    """Language -> its own bounds on filters of `measure`, see curate/config/languages.py."""

    dedup: DedupConfig | None = None
    llm: LlmConfig | None = None
    judge: JudgeConfig | None = None
    synthesize: SynthesizeConfig | None = None
    publish: PublishConfig = PublishConfig()
    execution: ExecutionConfig = ExecutionConfig()
    report: ReportConfig = ReportConfig()
    llm_disabled: bool = False
    """Set by `--no-llm`, which also removes the judge, the synthesis and every bound on a score."""

    @model_validator(mode="after")
    def parts_fit(self) -> Self:
        """Refuse sections that need one that is absent, and columns with two types."""
        if (self.judge or self.synthesize) and not self.llm:
            raise ValueError("judge and synthesize need an `llm` section; `llm: {}` is the packaged small model")
        if self.synthesize and not self.judge:
            raise ValueError("synthesize writes from the best judged documents: add a `judge` section")
        longest = max(
            self.judge.max_tokens if self.judge else 0,
            self.synthesize.max_source_tokens + self.synthesize.max_tokens if self.synthesize else 0,
        )
        if self.llm and longest >= self.llm.max_model_len:
            raise ValueError(
                f"llm.max_model_len is {self.llm.max_model_len}, and document and answer take up to {longest} tokens, "
                "the prompt apart: raise it, or lower max_tokens and max_source_tokens of judge and synthesize"
            )
        entries = measured(self.measure)
        strata = ["source", "lang", "length", *(each.filter.filter for each in entries)]
        for name in self.judge.by if self.judge else ():
            if name not in strata:
                raise ValueError(f"judge.by: {unknown('stratum', name, strata)}")
        if self.judge and self.judge.max_documents is None and (self.judge.by or self.judge.distil):
            raise ValueError("judge.by and judge.distil are about a sample: set judge.max_documents")
        if twice := repeated(self.measure):
            raise Findings([(("measure", number), sentence) for number, sentence in twice])
        types: dict[str, str] = {}
        for source in self.inputs:
            for column, kind in source.extra.items():
                if types.setdefault(column, kind) != kind:
                    raise ValueError(f"extra column {column!r} is {types[column]} in one input and {kind} in another")
        sources = [i.source for i in self.inputs]
        for name in self.dedup.source_priority if self.dedup else ():
            if name not in sources:
                raise ValueError(f"dedup.source_priority: {unknown('source', name, sources)}")
        if found := faults(self.by_language, entries):
            raise Findings([(("by_language", *at), sentence) for at, sentence in found])
        return self

    @property
    def measured(self) -> list[Measured]:
        """The filters of `measure`, with their columns and the bounds of each language."""
        return with_languages(measured(self.measure), self.by_language)

    @property
    def further_scores(self) -> tuple[str, ...]:
        """Names of the scores beside `quality`."""
        return tuple(self.judge.further) if self.judge else ()

    def identity(self) -> dict[str, object]:
        """What of the config can change the output: everything but placement. JSON values only.

        Of a model's, prompt's or tokenizer's path only the last part stays: the keys of the stages hold its content.
        Of a list its content stands here.
        """
        whole: dict[str, Any] = self.model_dump(mode="json", exclude=PLACEMENT)
        if self.llm:
            whole["llm"] = self.llm.identity()
        for step, listed in zip(whole["measure"], self.measure, strict=True):
            step["params"] = without_places(listed.params)
        whole["inputs"] = sorted(
            (i.model_dump(mode="json", exclude={"uri", "format"}) for i in self.inputs),
            key=repr,
        )
        language = whole["extract"]["language"]
        near = whole["dedup"] and whole["dedup"]["minhash"]
        if self.dedup:
            whole["dedup"]["index"] = self.dedup.index is not None
        for section, name in ((language, "model"), (whole["llm"], "model"), (whole["judge"], "rubric"),
                              (whole["synthesize"], "prompt"), (whole["publish"], "tokenizer"),
                              (near and near["shingle"], "tokenizer")):  # fmt: skip
            if section and section[name]:
                section[name] = without_place(section[name])
        if self.judge:
            whole["judge"]["further"] = {n: without_place(rubric) for n, rubric in self.judge.further.items()}
            for name in ("evaluation", "gold"):
                whole["judge"][name] = getattr(self.judge, name) is not None
        return whole

    def without_llm(self) -> Self:
        """The same run with no judge, no synthesis and no bound on a score, marked so; itself where it has no model."""
        if not self.llm:
            return self
        off = {"llm": None, "judge": None, "synthesize": None, "llm_disabled": True}
        return self.model_copy(update=off)
