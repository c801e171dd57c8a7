"""The process that does the work of a fuzz run: input after input, one line of JSON each.

It is a child, so that a segmentation fault or a memory explosion is a finding and not the end of the run. An input
depends on reader, seed and number alone.
"""

import json
import resource
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

from tests.curate.readers.objects import http, record
from tests.fuzz import html, jsonl, parquet, warc
from tests.fuzz.case import Case, load
from tests.fuzz.checks import check

READERS = {"warc": warc.make, "jsonl": jsonl.make, "parquet": parquet.make, "html": html.make}
ADDRESS_SPACE = 6 << 30
"""Bytes that the process may map beyond its imports: more is MemoryError, and does not take the machine along."""

SHORT_READS = 5
"""Every fifth input is read through a stream of short reads too."""


WARM = Case("warm", record(http("<p>a\r\u0301".encode())), "warc")
"""Has everything compiled, or loaded from the compiler's cache, before the first input is timed."""


def case_of(reader: str, seed: int, number: int) -> Case:
    """Input `number` of a run."""
    return READERS[reader](Random(f"{reader}/{seed}/{number}"))


def memory(name: str) -> int:
    """VmRSS, VmHWM or VmSize of this process, in bytes."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(name + ":"))


def forget_peak() -> None:
    """Let VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def run(case: Case, number: int) -> dict[str, Any]:
    """What came of one input."""
    forget_peak()
    start = time.perf_counter()
    broken: list[str] = []
    counts: dict[str, int] = {}
    try:
        found = check(case, short_reads=number % SHORT_READS == 0)
        counts, broken = dict(found.counts), found.broken
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{Path(f.filename).name}:{f.lineno}" for f in frames[-4:]]
        broken = [f"crash: {type(error).__name__} at {' < '.join(reversed(where))}: {str(error)[:200]}"]
    return {
        "number": number, "recipe": case.recipe, "bytes": len(case.data), "counts": counts, "broken": broken,
        "seconds": time.perf_counter() - start, "peak": memory("VmHWM"), "kept": memory("VmRSS"),
    }  # fmt: skip


def say(line: dict[str, Any]) -> None:
    """One line to whoever started us."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """`READER SEED FIRST LAST`: inputs of a run; `FILE`: a saved one."""
    say({"imports": memory("VmHWM")})
    limit = memory("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    run(WARM, 1)
    if len(sys.argv) == 2:
        say(run(load(Path(sys.argv[1])), 0))
        return
    reader, seed, first, last = sys.argv[1], *map(int, sys.argv[2:])
    for number in range(first, last):
        case = case_of(reader, seed, number)
        say({"started": number})
        say(run(case, number))


if __name__ == "__main__":
    main()
