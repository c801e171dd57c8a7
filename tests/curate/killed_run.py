"""What the processes of a kill walk start with: imports done and kernels loaded, so that one takes half a second.

The fork server imports this module once. No thread may start here, as a fork would lose it: no Polars, no Ray.
"""

import sys
from pathlib import Path

import pyarrow as pa

from curate import minhash
from curate.config import LanguageConfig
from curate.config.measures import FilterConfig
from curate.stages.measure import measure
from curate.text import language
from curate.text.buffers import text_buffers
from flows import stopping
from tests.curate.faults import Fault, FaultyDisk
from tests.curate.inline import run_inline
from tests.curate.runs import MEASURES

ONE = pa.table({"text": pa.array(["One short text."], pa.large_string()), "lang": ["eng_Latn"]})
measure(ONE, [FilterConfig.model_validate(chosen) for chosen in MEASURES])
minima, _ = minhash.text_signatures(*text_buffers(ONE.column("text")), *minhash.permutations(112, 1))
minhash.band_keys(minima, 14, 8)
language.load(LanguageConfig()).identify(["One short text."])


def run(config: Path, fault: Fault) -> None:
    """A run of `config` over a disk with one fault."""
    run_inline(config, FaultyDisk(config.parent, fault))


def run_as_command(config: Path, fault: Fault) -> None:
    """The same, with the signals of the command line."""
    stopping.listen()
    try:
        run(config, fault)
    except KeyboardInterrupt:
        sys.exit(stopping.exit_code())
