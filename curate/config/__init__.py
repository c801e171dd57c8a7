"""One YAML file -> one frozen, strict RunConfig. The only reader of YAML and of the environment."""

from curate.config.run import PLACEMENT, RunConfig
from curate.config.sections import (
    PACKAGED_LANGUAGE_MODEL,
    DedupConfig,
    ExecutionConfig,
    ExtractConfig,
    InputConfig,
    JudgeConfig,
    LanguageConfig,
    LlmConfig,
    MinhashConfig,
    PublishConfig,
    ReportConfig,
    SynthesizeConfig,
)

__all__ = [
    "PACKAGED_LANGUAGE_MODEL",
    "PLACEMENT",
    "DedupConfig",
    "ExecutionConfig",
    "ExtractConfig",
    "InputConfig",
    "JudgeConfig",
    "LanguageConfig",
    "LlmConfig",
    "MinhashConfig",
    "PublishConfig",
    "ReportConfig",
    "RunConfig",
    "SynthesizeConfig",
]
