"""A child process that reads objects one after the other: for each `FORMAT PATH CAP`, a line of JSON says what it took.

Memory is the kernel's high-water mark above that of the imports, begun anew for each object.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from curate import readers
from curate.config import ExtractConfig, InputConfig
from curate.inputs import find_inputs
from curate.plan import Split
from tests.curate.readers.objects import kinds
from tests.fuzz.worker import forget_peak, memory


def main() -> None:
    imports = memory("VmHWM")
    for form, name, cap in zip(*[iter(sys.argv[1:])] * 3, strict=True):
        [found] = find_inputs(name)
        source = InputConfig(source="test", uri=(name,))
        forget_peak()
        counts: Counter[str] = Counter()
        with Path(name).open("rb") as stream:
            for start, end in readers.ranges(stream, found.size, form, None, 1 << 40):  # type: ignore[arg-type]
                split = Split(found, "0" * 64, start, end, form, None, source)  # type: ignore[arg-type]
                for item in readers.read(stream, split, ExtractConfig(max_document_bytes=int(cap))):
                    counts.update(kinds([item]))
        line = {"file": Path(name).name, "peak": memory("VmHWM") - imports, "counts": counts}
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
