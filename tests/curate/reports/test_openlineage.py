import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from curate.reports import openlineage

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=9)


@pytest.fixture
def events(small_run, mixed):
    run = small_run(mixed)
    return openlineage.events(run.config, run.parts, run.result, BEGAN, ENDED)


def test_events_fit_the_classes_of_openlineage_python(events):
    """Every field and facet goes through the constructors of the reference client, which check types and names."""
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        input_statistics_input_dataset,
        job_type_job,
        output_statistics_output_dataset,
        processing_engine_run,
    )

    kinds = {
        "jobType": job_type_job.JobTypeJobFacet,
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
        "version": dataset_version_dataset.DatasetVersionDatasetFacet,
        "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    }

    def facets(values):
        made = {}
        for name, facet in values.items():
            assert facet["_producer"] == openlineage.producer()
            if name == "curate_counts":
                continue
            made[name] = kinds[name](**{k: v for k, v in facet.items() if not k.startswith("_")})
            assert facet["_schemaURL"] == made[name]._schemaURL
        return made

    for event in events:
        made = RunEvent(
            eventType=RunState(event["eventType"]),
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=Run(event["run"]["runId"], facets(event["run"]["facets"])),
            job=Job(event["job"]["namespace"], event["job"]["name"], facets(event["job"]["facets"])),
            inputs=[InputDataset(i["namespace"], i["name"], facets(i["inputFacets"])) for i in event["inputs"]],
            outputs=[OutputDataset(o["namespace"], o["name"], facets(o["facets"])) for o in event["outputs"]],
        )
        assert event["schemaURL"] == made.schemaURL
        facets(event["outputs"][0].get("outputFacets", {}))


def test_start_and_complete_tell_of_one_run(events):
    start, complete = events
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["eventTime"] < complete["eventTime"]


def test_inputs_are_the_objects_read_and_counts_add_up(small_run, mixed):
    run = small_run(mixed)
    _, complete = openlineage.events(run.config, run.parts, run.result, BEGAN, ENDED)
    assert [i["name"] for i in complete["inputs"]] == ["more.warc.gz", "pages.warc.gz"]
    counts = complete["run"]["facets"]["curate_counts"]
    assert counts["recordsIn"] + counts["written"] == counts["kept"] + counts["rejected"] + counts["quarantined"]
    assert complete["outputs"][0]["facets"]["version"]["datasetVersion"] == run.result.version


def test_two_runs_append_and_no_text_or_secret_is_written(small_run, mixed):
    run = small_run(mixed)
    parts = [replace(part, object=f"s3://key:secret@bucket/{part.object}?sig=hidden") for part in run.parts[:2]]
    for _ in range(2):
        openlineage.write(run.work, run.config, parts, run.result, BEGAN, ENDED)
    written = run.work.read(openlineage.NAME).decode()
    lines = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 4
    assert len({line["run"]["runId"] for line in lines}) == 2
    assert "secret" not in written
    assert "hidden" not in written
    assert {"namespace": "s3://bucket", "name": "pages.warc.gz"}.items() <= lines[0]["inputs"][1].items()
    assert not any(doc.text in written for doc in mixed.documents)
