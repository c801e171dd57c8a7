"""Curate: raw web pages in, judged, deduplicated, versioned Parquet out.

    import curate
    result = curate.run("configs/quickstart.yaml")
    curate.read_ledger(result.work)                 # a polars LazyFrame: one row an input record, with its reason
    curate.explain(result.work, "http://...")       # everything that was decided about one document
    curate.rescore(result.work, ["gopher.word_count.min=60"])   # what other bounds would keep, in seconds
    curate.diff("runs/a/work", "runs/b/work")       # what entered and what left between two runs

What `curate run --json` prints is `result.to_json()`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.api import diff, explain, load_config, read_ledger, rescore, run
    from curate.config import RunConfig
    from curate.errors import CurateError
    from curate.result import RunResult

__all__ = [
    "CurateError", "RunConfig", "RunResult", "diff", "explain", "load_config", "read_ledger", "rescore", "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a worker that needs one module does not load Ray and all stages."""
    from importlib import import_module

    homes = {"CurateError": "errors", "RunConfig": "config", "RunResult": "result"}
    if name not in __all__:
        raise AttributeError(f"module 'curate' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"curate.{homes.get(name, 'api')}"), name)
