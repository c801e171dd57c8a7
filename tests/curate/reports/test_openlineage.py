import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from curate.errors import ConservationError
from curate.reports import openlineage

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def complete(run):
    return openlineage.complete(run.config, "0" * 32, AT, run.parts, run.result)


def written(run) -> list[dict]:
    return [json.loads(line) for line in run.work.read(openlineage.NAME).splitlines()]


def test_events_fit_the_classes_of_openlineage_python(small_run, mixed):
    """Every field and facet goes through the constructors of the reference client, which check types and names."""
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        error_message_run,
        input_statistics_input_dataset,
        job_type_job,
        output_statistics_output_dataset,
        processing_engine_run,
    )

    run = small_run(mixed)
    kinds = {
        "errorMessage": error_message_run.ErrorMessageRunFacet,
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

    start = openlineage.event("START", run.config, "0" * 32, AT)
    for event in (start, complete(run), openlineage.failed(run.config, "0" * 32, AT, ConservationError("why"))):
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


def test_a_run_that_ends_well_has_a_start_and_a_complete(small_run, mixed):
    run = small_run(mixed)
    with openlineage.recorded(run.work, run.config) as run_id:
        openlineage.append(run.work, openlineage.complete(run.config, run_id, AT, run.parts, run.result))
    start, end = written(run)
    assert [start["eventType"], end["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == end["run"]["runId"] == run_id


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ConservationError("12 in, 11 out"), "FAIL", "12 in, 11 out"),
        (ValueError("text of a document"), "FAIL", "ValueError"),
        (KeyboardInterrupt(), "ABORT", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_fails_says_why_and_quotes_no_document(small_run, mixed, error, kind, said):
    run = small_run(mixed)
    with pytest.raises(type(error)), openlineage.recorded(run.work, run.config):
        raise error
    start, end = written(run)
    assert (start["eventType"], end["eventType"]) == ("START", kind)
    assert said in end["run"]["facets"]["errorMessage"]["message"]
    assert "text of a document" not in run.work.read(openlineage.NAME).decode()


def test_inputs_are_the_objects_read_and_counts_add_up(small_run, mixed):
    run = small_run(mixed)
    event = complete(run)
    assert [i["name"] for i in event["inputs"]] == ["more.warc.gz", "pages.warc.gz"]
    counts = event["run"]["facets"]["curate_counts"]
    assert counts["recordsIn"] + counts["written"] == counts["kept"] + counts["rejected"] + counts["quarantined"]
    assert event["outputs"][0]["facets"]["version"]["datasetVersion"] == run.result.version


def test_runs_append_and_no_text_or_secret_is_written(small_run, mixed):
    run = small_run(mixed)
    parts = [replace(part, object=f"s3://key:secret@bucket/{part.object}?sig=hidden") for part in run.parts[:2]]
    for _ in range(2):
        with openlineage.recorded(run.work, run.config) as run_id:
            openlineage.append(run.work, openlineage.complete(run.config, run_id, AT, parts, run.result))
    events = written(run)
    assert len(events) == 4
    assert len({event["run"]["runId"] for event in events}) == 2
    page = run.work.read(openlineage.NAME).decode()
    assert "secret" not in page
    assert "hidden" not in page
    assert {"namespace": "s3://bucket", "name": "pages.warc.gz"}.items() <= events[1]["inputs"][1].items()
    assert not any(doc.text in page for doc in mixed.documents)
