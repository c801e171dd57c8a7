"""datatrove in an environment of its own, made once in the cache: its dependencies do not fit into Curate's."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from curate.config import LanguageConfig
from curate.text.language import LanguageModel
from tests.bench.corpus import CACHE, Corpus
from tests.bench.figure import note

DATATROVE = "datatrove[io,processing]==0.10.1"
# What its extractor and its English tokenizer need beyond those extras.
FURTHER = ("spacy", "lxml_html_clean", "fasteners")
# Its tokenizers for Japanese, Chinese and Korean; kiwipiepy_model 0.21 and later have no model of the kind it asks for.
TOKENIZERS = ("sudachipy", "sudachidict_core", "jieba", "kiwipiepy==0.20.4", "kiwipiepy_model==0.20.0")
SCRIPT = Path(__file__).with_name("datatrove_peer.py")


def datatrove_seconds(corpus: Corpus) -> float | None:
    """Seconds of one core for reading, extraction, language, Gopher quality, FineWeb's rules and Parquet.

    Start-up is not in them. None, with a note, where its environment cannot be made.
    """
    python = environment()
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


def environment() -> str | None:
    """The Python of datatrove's environment, made on first use; None, with a note, where it cannot be made."""
    folder = CACHE / "datatrove-0.10.1"
    python, complete = folder / "bin" / "python", folder / "complete"
    wanted = " ".join((DATATROVE, *FURTHER, *TOKENIZERS))
    if not complete.exists() or complete.read_text() != wanted:
        note(f"installing {DATATROVE} into {folder} (once)")
        shutil.rmtree(folder, ignore_errors=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.split()]
        for args in ([sys.executable, "-m", "venv", str(folder)], install):
            ended = subprocess.run(args, check=False, capture_output=True, text=True)
            if ended.returncode:
                note(f"datatrove cannot be installed, left out: {ended.stderr.strip().splitlines()[-1:]}")
                return None
        complete.write_text(wanted)
    return str(python)
