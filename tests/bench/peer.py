"""Peers in environments of their own, made once in the cache: their dependencies do not fit into Curate's."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curate.config import LanguageConfig
from curate.text.language import LanguageModel
from tests.bench.corpus import CACHE, Corpus
from tests.bench.figure import note

SCRIPT = Path(__file__).with_name("datatrove_peer.py")


@dataclass(frozen=True)
class Peer:
    """A tool that is measured beside Curate, and what its environment holds."""

    name: str
    """With its version; the folder in the cache too."""

    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    """Installed without what they ask for."""

    @property
    def wanted(self) -> str:
        """All requirements in one line."""
        return " ".join((*self.alone, *self.packages))

    def python(self) -> str | None:
        """The Python of its environment, made on first use; None, with a note, where it cannot be made."""
        folder = CACHE / self.name
        python, complete = folder / "bin" / "python", folder / "complete"
        if not complete.exists() or complete.read_text() != self.wanted:
            note(f"installing {self.name} into {folder} (once)")
            shutil.rmtree(folder, ignore_errors=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            steps = [[sys.executable, "-m", "venv", str(folder)], [*install, *self.packages]]
            steps += [[*install, "--no-deps", *self.alone]] if self.alone else []
            for step in steps:
                ended = subprocess.run(step, check=False, capture_output=True, text=True)
                if ended.returncode:
                    note(f"{self.name} cannot be installed, left out: {ended.stderr.strip().splitlines()[-1:]}")
                    return None
            complete.write_text(self.wanted)
        return str(python)

    def decisions(self, script: Path, texts: pa.Table) -> pa.Table | None:
        """What `script decide` writes about the texts; None without its environment. Exits where the script fails.

        Kept in the cache for as long as texts, script and environment are the same.
        """
        parts = (json.dumps(texts.to_pydict()), script.read_text("utf-8"), self.wanted)
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        stored = CACHE / f"filters-{self.name}-{key}.parquet"
        if not stored.exists():
            note(f"{self.name} decides on {len(texts)} texts: minutes, once")
            written = self._run(script, "decide", texts)
            if written is None:
                return None
            # A name that is there is whole: a run that was stopped left none.
            partial = stored.with_suffix(".partial")
            partial.write_bytes(written)
            partial.rename(stored)
        return pq.read_table(stored)

    def seconds(self, script: Path, texts: pa.Table) -> dict[str, float] | None:
        """What `script time` measures on the texts, CPU seconds of one process; None without its environment."""
        written = self._run(script, "time", texts)
        return None if written is None else dict(json.loads(written))

    def _run(self, script: Path, mode: str, texts: pa.Table) -> bytes | None:
        python = self.python()
        if python is None:
            return None
        with tempfile.TemporaryDirectory(prefix="curate-bench-") as folder:
            source, target = Path(folder, "texts.parquet"), Path(folder, "out")
            pq.write_table(texts, source)
            args = [python, str(script), mode, str(source), str(target)]
            ended = subprocess.run(args, check=False, capture_output=True, text=True)
            if ended.returncode:
                sys.exit(f"{self.name} failed: {ended.stderr.strip().splitlines()[-3:]}")
            return target.read_bytes()


DATATROVE = Peer(
    "datatrove-0.10.1",
    (
        "datatrove[io,processing]==0.10.1",
        # What its extractor and its English tokenizer need beyond those extras.
        *("spacy", "lxml_html_clean", "fasteners"),
        # Japanese, Chinese, Korean; kiwipiepy_model 0.21 and later have no model of the kind that it asks for.
        *("sudachipy", "sudachidict_core", "jieba", "kiwipiepy==0.20.4", "kiwipiepy_model==0.20.0"),
    ),
)
# With all that it asks for it takes gigabytes (torch, transformers, datasets); its heuristic filters need these alone.
NEMO = Peer(
    "nemo-curator-1.4.0",
    ("ray>=2.57.0", "pandas", "pyarrow", "loguru", "regex"),
    alone=("nemo-curator==1.4.0", "cosmos-xenna==0.2.0"),
)


def datatrove_seconds(corpus: Corpus) -> float | None:
    """Seconds of one core for reading, extraction, language, Gopher quality, FineWeb's rules and Parquet.

    Start-up is not in them. None, with a note, where its environment cannot be made.
    """
    python = DATATROVE.python()
    if python is None:
        return None
    model = str(LanguageModel(LanguageConfig()).path)
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as out:
        args = [python, str(SCRIPT), str(corpus.warc), out, model]
        ended = subprocess.run(args, check=False, capture_output=True, text=True)
    if ended.returncode:
        note(f"datatrove failed, left out: {ended.stderr.strip().splitlines()[-1:]}")
        return None
    return float(json.loads(ended.stdout.splitlines()[-1])["seconds"])
