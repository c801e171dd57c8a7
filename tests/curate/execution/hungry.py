"""`python -m tests.curate.execution.hungry KIND CAP BYTES`: limits its memory as a worker does, and takes more."""

import sys

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.execution.worker import limit_memory


@numba.njit
def _filled(size: int) -> npt.NDArray[np.uint8]:
    return np.ones(size, np.uint8)


KINDS = {
    "python bytes, with the lock held": lambda size: b"x" * size,
    "python objects": lambda size: [bytes(1000 + i % 10) for i in range(size // 1040)],
    "numpy": lambda size: np.ones(size, np.uint8),
    "numba": _filled,
    "arrow": lambda size: pa.array(np.ones(size // 8)).take(pa.array(np.arange(size // 8))),
}

if __name__ == "__main__":
    kind, cap, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _filled(1)
    watcher = limit_memory(cap)
    held = KINDS[kind](size)
    sys.stdout.write("got it\n")
