"""One YAML file -> one frozen, strict RunConfig. The only reader of YAML and of the environment."""

from curate.config.dedup import DedupConfig, MinhashConfig, ShingleConfig
from curate.config.run import PLACEMENT, RunConfig
from curate.config.sections import (
    PACKAGED_LANGUAGE_MODEL,
    ExecutionConfig,
    ExtractConfig,
    InputConfig,
    JudgeConfig,
    LanguageConfig,
    LlmConfig,
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
    "ShingleConfig",
    "SynthesizeConfig",
]
