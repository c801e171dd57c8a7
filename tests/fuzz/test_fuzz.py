import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign, replay
from tests.fuzz.worker import READERS, case_of

ROOT = Path(__file__).parents[2]
INPUTS = {"warc": 400, "jsonl": 100, "html": 200, "parquet": 120}


def digests(readers: list[str], numbers: range) -> str:
    made = [case_of(reader, 1, number).data for reader in readers for number in numbers]
    return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in made)).hexdigest()


@pytest.mark.parametrize("reader", READERS)
def test_made_and_broken_inputs_crash_nothing_and_lose_nothing(reader: str, tmp_path: Path) -> None:
    told: list[str] = []
    campaign = Campaign(reader, 1, 0, INPUTS[reader], tmp_path, lambda message: told.append(str(message)))
    summary = campaign.run()
    assert not campaign.findings, told
    assert summary["counts"]["documents"] > 50


def test_an_input_depends_on_reader_seed_and_number_alone() -> None:
    code = f"from tests.fuzz.test_fuzz import digests; print(digests({list(READERS)}, range(20)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digests(list(READERS), range(20))


CHILD = """
import json, os, signal, sys, time
print(json.dumps({"imports": 0}), flush=True)
for number in range(int(sys.argv[-2]), int(sys.argv[-1])):
    print(json.dumps({"started": number}), flush=True)
    if number == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 2:
        time.sleep(60)
    peak = 600 << 20 if number == 3 else 1
    broken = ["P1: 2 in, 1 rows", "crash: KeyError"] if number == 4 else []
    print(json.dumps({"number": number, "recipe": "", "bytes": 1, "counts": {"in": 1}, "broken": broken,
                      "seconds": 0.0, "peak": peak, "kept": peak}), flush=True)
"""


def test_a_dead_a_hanging_and_a_swollen_worker_are_findings_and_the_run_goes_on(tmp_path: Path) -> None:
    campaign = Campaign("jsonl", 1, 0, 6, tmp_path, lambda _: None, worker=("-c", CHILD), hang_seconds=0.5)
    summary = campaign.run()
    assert [(f.kind, f.number) for f in campaign.findings] == [
        ("crash", 1), ("hang", 2), ("memory", 3), ("p1", 4), ("crash", 4),
    ]  # fmt: skip
    assert summary["counts"] == {"in": 4}
    assert replay(campaign.findings[0].file)["broken"] == []
