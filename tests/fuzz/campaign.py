"""A run of one reader: the child that works, the eye on its time and memory, and what it all adds up to."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.worker import case_of

HANG_SECONDS = 10.0
"""For one input, through all its splits."""

START_SECONDS = 300.0
"""For the child's imports, and for what is compiled on first use."""

PEAK_BYTES = 512 << 20
"""Resident memory above that of the imports."""

KEPT_BYTES = 256 << 20
"""What allocators may keep after an input, above the imports; with more a new child goes on, or the next input paid."""

PROGRESS_SECONDS = 60.0


@dataclass(frozen=True)
class Finding:
    """An input that broke something."""

    kind: str
    """crash, hang, p1, promise or memory."""

    number: int
    what: str
    file: Path

    def __str__(self) -> str:
        return f"{self.kind}: input {self.number}: {self.what}\n  python -m tests.fuzz --replay {self.file}"


@dataclass
class Campaign:
    """Inputs first .. first + inputs of a reader and seed."""

    reader: str
    seed: int
    first: int
    inputs: int
    folder: Path
    tell: Callable[[str | Finding], None]
    worker: tuple[str, ...] = ("-m", "tests.fuzz.worker")
    """What the child's Python runs; reader, seed, first and last number follow."""

    hang_seconds: float = HANG_SECONDS
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    peak: int = 0
    imports: int = 0
    slowest: tuple[float, int, str] = (0.0, -1, "")

    def run(self) -> dict[str, Any]:
        """All inputs, with as many children as it takes; the summary."""
        at, last = self.first, self.first + self.inputs
        start = told = time.monotonic()
        while at < last:
            with _Child(*self.worker, self.reader, str(self.seed), str(at), str(last)) as child:
                self.imports = child.imports
                while at < last:
                    answer = child.answer(at, self.hang_seconds)
                    self._take(at, answer)
                    at += 1
                    if time.monotonic() - told > PROGRESS_SECONDS:
                        told = time.monotonic()
                        self.tell(f"{self.reader}: {at - self.first} of {self.inputs}, {len(self.findings)} findings")
                    if "ended" in answer or answer["kept"] - self.imports > KEPT_BYTES:
                        break
        return self._summary(time.monotonic() - start)

    def _take(self, number: int, answer: dict[str, Any]) -> None:
        if "ended" in answer:
            self._found("hang" if answer["ended"] == "hang" else "crash", number, answer["ended"])
            return
        self.bytes += answer["bytes"]
        self.counts.update(answer["counts"])
        self.slowest = max(self.slowest, (round(answer["seconds"], 2), number, answer["recipe"]))
        above = answer["peak"] - self.imports
        self.peak = max(self.peak, above)
        if above > PEAK_BYTES:
            self._found("memory", number, f"{above >> 20} MB above the imports, {answer['recipe']}")
        if answer["seconds"] > self.hang_seconds:
            self._found("hang", number, f"{answer['seconds']:.1f} s, {answer['recipe']}")
        for what in answer["broken"]:
            kind = "crash" if what.startswith("crash") else "p1" if what.startswith("P1") else "promise"
            self._found(kind, number, f"{what} ({answer['recipe']})")

    def _found(self, kind: str, number: int, what: str) -> None:
        file = self.folder / f"{self.reader}-{self.seed}-{number}.case"
        case_of(self.reader, self.seed, number).save(file)
        self.findings.append(Finding(kind, number, what, file))
        self.tell(self.findings[-1])

    def _summary(self, seconds: float) -> dict[str, Any]:
        kinds = Counter(finding.kind for finding in self.findings)
        return {
            "reader": self.reader, "inputs": self.inputs, "seed": self.seed, "bytes": self.bytes,
            "crashes": kinds["crash"], "hangs": kinds["hang"], "p1_breaks": kinds["p1"],
            "other_promises_broken": kinds["promise"], "over_memory": kinds["memory"],
            "peak_mb_above_imports": self.peak >> 20, "slowest_seconds": self.slowest[0],
            "slowest_input": self.slowest[1], "slowest_recipe": self.slowest[2], "seconds": round(seconds),
            "counts": dict(sorted(self.counts.items())),
        }  # fmt: skip


class _Child:
    """A worker; `answer` is about one input, or says how the worker ended."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        self._buffer = b""
        self.imports = int((self._line(START_SECONDS) or {"imports": 0})["imports"])

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def answer(self, number: int, seconds: float) -> dict[str, Any]:
        """What came of an input."""
        line = self._line(START_SECONDS)
        if line is None or line.get("started") != number:
            return {"ended": self._how()}
        line = self._line(seconds)
        return {"ended": self._how()} if line is None else line

    def _line(self, seconds: float) -> dict[str, Any] | None:
        """The next line; None when the worker ended, or took longer."""
        assert self._process.stdout
        until = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            piece = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                return None
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _how(self) -> str:
        """Why there is no line."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "hang"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def replay(file: Path) -> dict[str, Any]:
    """What comes of a saved input."""
    with _Child("-m", "tests.fuzz.worker", str(file)) as child:
        line = child._line(10 * HANG_SECONDS)
        return {"broken": [child._how()]} if line is None else line
