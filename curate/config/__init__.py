"""One YAML file -> one frozen, strict RunConfig. The only reader of YAML and of the environment."""

from curate.config.dedup import DedupConfig, LinesConfig, MinhashConfig, ShingleConfig
from curate.config.models import JudgeConfig, LlmConfig, SynthesizeConfig
from curate.config.run import PLACEMENT, RunConfig
from curate.config.sections import (
    PACKAGED_LANGUAGE_MODEL,
    ExecutionConfig,
    ExtractConfig,
    InputConfig,
    LanguageConfig,
    PublishConfig,
    ReportConfig,
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
    "LinesConfig",
    "LlmConfig",
    "MinhashConfig",
    "PublishConfig",
    "ReportConfig",
    "RunConfig",
    "ShingleConfig",
    "SynthesizeConfig",
]
