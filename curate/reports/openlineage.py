"""OpenLineage events of a run: a line each in lineage/openlineage.jsonl of the work folder, appended by every run.

The JSON is written here rather than with openlineage-python: importing that costs 2 s (its HTTP transports), and a test
holds these events against its classes. No document text and no credentials: user and password of a URI are cut out.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from curate.config import RunConfig
from curate.corpus import Part
from curate.ledger import SYNTHETIC
from curate.reports.card import package_version
from curate.result import RunResult
from curate.storage import Store

NAME = "lineage/openlineage.jsonl"

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
FACETS = "https://openlineage.io/spec/facets/"


def write(
    work: Store, config: RunConfig, parts: Iterable[Part], result: RunResult, began: datetime, ended: datetime
) -> None:
    """Append START and COMPLETE of one run. The times are aware (UTC)."""
    lines = [json.dumps(event, ensure_ascii=False) for event in events(config, parts, result, began, ended)]
    before = work.read(NAME) if work.exists(NAME) else b""
    work.put(NAME, before + "".join(f"{line}\n" for line in lines).encode())


def events(
    config: RunConfig, parts: Iterable[Part], result: RunResult, began: datetime, ended: datetime
) -> list[dict[str, Any]]:
    """START and COMPLETE: inputs are the objects read, the output is the published version."""
    inputs = _inputs(parts)
    common = {
        "producer": producer(),
        "schemaURL": f"{SPEC}RunEvent",
        "job": {"namespace": "curate", "name": config.name, "facets": {"jobType": _job_type()}},
        "inputs": inputs,
    }
    run_id = str(uuid.uuid4())
    start = common | {
        "eventType": "START", "eventTime": began.isoformat(), "run": {"runId": run_id, "facets": {}},
        "outputs": [_output(result)],
    }  # fmt: skip
    complete = common | {
        "eventType": "COMPLETE", "eventTime": ended.isoformat(),
        "run": {"runId": run_id, "facets": {"processing_engine": _engine(), "curate_counts": _counts(result)}},
        "outputs": [_output(result) | _output_statistics(result)],
    }  # fmt: skip
    return [start, complete]


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
