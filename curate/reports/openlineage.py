"""OpenLineage events of a run: a line each in lineage/openlineage.jsonl of the work folder, appended by every run.

START when it begins, COMPLETE, FAIL or ABORT when it ends; a run that was killed has no second one.

The JSON is written here rather than with openlineage-python: importing that costs 2 s (its HTTP transports), and a test
holds these events against its classes. No document text and no credentials: user and password of a URI are cut out.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from curate.config import RunConfig
from curate.corpus import Part
from curate.errors import asks_to_stop, describe
from curate.reports.card import package_version
from curate.result import RunResult
from curate.schema import SYNTHETIC
from curate.storage import Store

NAME = "lineage/openlineage.jsonl"

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
FACETS = "https://openlineage.io/spec/facets/"


@contextmanager
def recorded(work: Store, config: RunConfig) -> Iterator[str]:
    """Append START, and FAIL or ABORT when the block raises. Gives the run's id; COMPLETE is the block's to append."""
    run_id = str(uuid.uuid4())
    append(work, event("START", config, run_id, datetime.now(UTC)))
    try:
        yield run_id
    except BaseException as error:
        with suppress(OSError):  # What stopped the run matters more, and may stop this too.
            append(work, failed(config, run_id, datetime.now(UTC), error))
        raise


def append(work: Store, line: Mapping[str, Any]) -> None:
    """Add an event to the file."""
    before = work.read(NAME) if work.exists(NAME) else b""
    work.put(NAME, before + json.dumps(line).encode() + b"\n")


def event(kind: str, config: RunConfig, run_id: str, at: datetime) -> dict[str, Any]:
    """What every event of a run says; `at` is aware (UTC)."""
    return {
        "eventType": kind, "eventTime": at.isoformat(), "producer": producer(), "schemaURL": f"{SPEC}RunEvent",
        "run": {"runId": run_id, "facets": {}},
        "job": {"namespace": "curate", "name": config.name, "facets": {"jobType": _job_type()}},
        "inputs": [], "outputs": [_dataset(str(config.output)) | {"facets": {}}],
    }  # fmt: skip


def complete(config: RunConfig, run_id: str, at: datetime, parts: Iterable[Part], result: RunResult) -> dict[str, Any]:
    """COMPLETE: inputs are the objects read, the output is the published version."""
    facets = {"processing_engine": _engine(), "curate_counts": _counts(result)}
    return event("COMPLETE", config, run_id, at) | {
        "run": {"runId": run_id, "facets": facets},
        "inputs": _inputs(parts), "outputs": [_output(result) | _output_statistics(result)],
    }  # fmt: skip


def failed(config: RunConfig, run_id: str, at: datetime, error: BaseException) -> dict[str, Any]:
    """FAIL, or ABORT where a signal ended the run, with the reason."""
    kind = "ABORT" if asks_to_stop(type(error)) else "FAIL"
    schema = f"{FACETS}1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
    facets = {"errorMessage": _facet(schema, message=describe(error), programmingLanguage="PYTHON")}
    return event(kind, config, run_id, at) | {"run": {"runId": run_id, "facets": facets}}


def producer() -> str:
    """The URI that names who wrote the events."""
    return f"urn:curate:{package_version()}"


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    return {"_producer": producer(), "_schemaURL": schema, **values}


def _job_type() -> dict[str, Any]:
    schema = f"{FACETS}2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
    return _facet(schema, processingType="BATCH", integration="CURATE", jobType="PIPELINE")


def _engine() -> dict[str, Any]:
    schema = f"{FACETS}1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet"
    return _facet(schema, version=package_version(), name="curate")


def _counts(result: RunResult) -> dict[str, Any]:
    """What became of the records; a facet of ours, hence only the base schema's URL."""
    counts: Mapping[str, Any] = {
        "status": result.status, "recordsIn": result.records_in, "written": result.written, "kept": result.kept,
        "rejected": result.rejected, "quarantined": result.quarantined, "skipped": dict(result.skipped),
        "reasons": dict(result.reasons),
        "failedSplits": len(result.failures),
    }  # fmt: skip
    return _facet(f"{SPEC}RunFacet", **counts)


def _inputs(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """One dataset an input object, with the records that its splits held."""
    records: dict[str, int] = {}
    for part in parts:
        if part.object != SYNTHETIC:
            records[part.object] = records.get(part.object, 0) + part.documents.counts.get("in", 0)
    schema = f"{FACETS}1-0-0/InputStatisticsInputDatasetFacet.json#/$defs/InputStatisticsInputDatasetFacet"
    return [
        _dataset(uri) | {"facets": {}, "inputFacets": {"inputStatistics": _facet(schema, rowCount=rows, fileCount=1)}}
        for uri, rows in sorted(records.items())
    ]


def _output(result: RunResult) -> dict[str, Any]:
    dataset = _dataset(str(result.output))
    if result.version is None:
        return dataset | {"facets": {}}
    schema = f"{FACETS}1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
    return dataset | {"facets": {"version": _facet(schema, datasetVersion=result.version)}}


def _output_statistics(result: RunResult) -> dict[str, Any]:
    schema = f"{FACETS}1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet"
    return {"outputFacets": {"outputStatistics": _facet(schema, rowCount=result.kept)}}


def _dataset(uri: str) -> dict[str, Any]:
    """Namespace and name of an object: `file` and its path, or `s3://bucket` and the key."""
    split = urlsplit(uri) if "://" in uri else None
    if split is None:
        return {"namespace": "file", "name": str(Path(uri))}
    host = split.netloc.rpartition("@")[2]
    path = urlunsplit(("", "", split.path, "", "")).lstrip("/")
    return {"namespace": f"{split.scheme}://{host}", "name": path or "/"}
