"""A place where a run leaves everything it writes below one folder, over documents and with secrets that are marked.

Every document holds a word of its own, every secret in the environment is one: `tests.canary.find` then says what got
where. The folder lies directly in /tmp, as Ray's sockets have at most 107 characters.
"""

import gzip
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.llm.packaged import cache_root
from tests.curate.runs import ROOT, write_config

SECRETS = {
    "CURATE_LLM_API_KEY": "Zorquibkey0llm", "PREFECT_API_KEY": "Zorquibkey1prefect",
    "AWS_SECRET_ACCESS_KEY": "Zorquibkey2aws", "AWS_SESSION_TOKEN": "Zorquibkey3session", "HF_TOKEN": "Zorquibkey4hub",
}  # fmt: skip

STORED = ("kept", "near", "short", "first", "second", "third", "raising", "killing", "page")
"""Documents that get as far as a text, which `extract` stores."""

NEVER_STORED = ("large", "cut", "list", "surrogate", "latin", "deep", "attribute", "script", "comment", "missing",
                "image", "nested", "end")  # fmt: skip
"""Quarantined or rejected before there is a text, and what of a page is no text."""

ANSWERS = ("accepted", "refused")

WORDS = {name: f"Zorquib{name}7" for name in (*STORED, *NEVER_STORED, *ANSWERS)}

VOCABULARY = [
    "answer", "country", "engine", "evening", "field", "garden", "green", "history", "house", "language", "letter",
    "light", "measure", "morning", "mountain", "number", "paper", "people", "picture", "problem", "question", "reason",
    "river", "science", "simple", "stone", "student", "summer", "system", "teacher", "valley", "water", "winter",
]  # fmt: skip

RAISING = '''
"""Adds a filter that quotes what it was given in an exception, as a library might."""
import importlib.machinery, os, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "filters.length":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)

            def raising(batch: module.TextBatch) -> module.Floats:
                """Nothing."""
                text = bytes(batch.data).decode()
                if "{raising}" in text:
                    raise ValueError(text) from RuntimeError(text)
                if "{killing}" in text:
                    os._exit(1)
                return module.num_bytes(batch)

            module.register("length.raising", unit="bytes", source="test", semantics="test", version=1)(raising)

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder)
'''


def prose(seed: int, word: str) -> str:
    """Ten sentences, with `word` at the beginning, where a sample would show it, and in the middle."""
    draw = random.Random(seed)
    lines = [" ".join(draw.choices(VOCABULARY, k=9)).capitalize() + " of the and to that." for _ in range(10)]
    lines[0] = lines[5] = f"It is {word} that we have."
    return " ".join(lines)


def answers() -> Callable[[Mapping[str, Any]], str]:
    """What the fake model writes: a text, then a refusal, and so on."""
    numbers = itertools.count()

    def write(body: Mapping[str, Any]) -> str:
        del body
        number = next(numbers)
        return f"I'm sorry, but {prose(9, WORDS['refused'])}" if number % 2 else prose(9 + number, WORDS["accepted"])

    return write


@dataclass(frozen=True)
class Ground:
    """Folders and environment of runs that write nowhere else."""

    root: Path

    @property
    def written(self) -> list[Path]:
        """Where a run may write."""
        return [self.root / name for name in ("run", "home", "tmp", "ray", "logs", "prefect", "console")]

    @property
    def environment(self) -> dict[str, str]:
        return SECRETS | {
            "PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "TMPDIR": str(self.root / "tmp"),
            "RAY_TMPDIR": str(self.root / "ray"), "PREFECT_HOME": str(self.root / "prefect"),
            "PYTHONPATH": f"{ROOT}:{self.root / 'site'}",
        }  # fmt: skip

    def curate(self, name: str, *arguments: str | Path, **environment: str) -> int:
        """Exit code of a `curate` command; what it printed goes to console/NAME.out and .err."""
        command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
        console = self.root / "console"
        with (console / f"{name}.out").open("wb") as out, (console / f"{name}.err").open("wb") as err:
            child = subprocess.Popen(
                command, cwd=self.root / "home", env=self.environment | environment, stdout=out, stderr=err
            )
            while child.poll() is None:
                self._keep_logs()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(0.2)
        return child.returncode

    def _keep_logs(self) -> None:
        """Give what Ray writes a second name: a run that ends well removes its session's folder."""
        for parent, _, files in os.walk(self.root / "ray"):
            for path in (Path(parent, name) for name in files):
                with suppress(FileNotFoundError, FileExistsError):
                    os.link(path, self.root / "logs" / f"{path.lstat().st_ino}-{path.name}", follow_symlinks=False)

    def printed(self, name: str) -> str:
        """What it printed, stdout first."""
        return "".join((self.root / "console" / f"{name}.{end}").read_text() for end in ("out", "err"))

    def config(self, *more: str, **sections: Any) -> Path:
        """A run over a few files of `inputs`, and `more` of them."""
        inputs = [
            {"source": f"source-{file[0]}", "uri": str(self.root / "inputs" / file), "fields": {"url": "url"}}
            for file in ("a.jsonl", "b.jsonl", "c.warc.gz", *more)
        ]
        common = {
            "measure": [{"filter": "length.raising"}, {"filter": "gopher.word_count", "keep": {"min": 20}}],
            "extract": {"max_document_bytes": 20_000, "max_html_depth": 200},
        }
        return write_config(self.root / "run", inputs, **common | sections)


@contextmanager
def ground() -> Iterator[Ground]:
    """A fresh ground with its inputs; removed in the end."""
    made = Ground(Path(tempfile.mkdtemp(prefix="lk", dir="/tmp")))
    try:
        for folder in [*made.written, made.root / "inputs", made.root / "site"]:
            folder.mkdir()
        (made.root / "site" / "sitecustomize.py").write_text(RAISING.format(**WORDS))
        # The packaged model is converted once a user, which takes 20 s: the tests' home borrows it.
        (made.root / "home" / ".cache" / "curate").mkdir(parents=True)
        (made.root / "home" / ".cache" / "curate" / "models").symlink_to(cache_root() / "models")
        _write_lines(made.root / "inputs")
        (made.root / "inputs" / "c.warc.gz").write_bytes(_pages())
        yield made
    finally:
        shutil.rmtree(made.root)


def _write_lines(folder: Path) -> None:
    kept = prose(1, WORDS["kept"])
    rows = [kept, kept, kept.replace("winter", WORDS["near"], 1), f"short {WORDS['short']}",
            *(prose(20 + n, WORDS[name]) for n, name in enumerate(("first", "second", "third"))),
            prose(3, WORDS["large"]) * 100]  # fmt: skip
    lines = [json.dumps({"url": f"http://a.example/{n}", "text": text}).encode() for n, text in enumerate(rows)]
    lines += [
        f'{{"text": "{prose(4, WORDS["cut"])}'.encode(),
        json.dumps({"text": [prose(5, WORDS["list"])]}).encode(),
        f'{{"text": "{WORDS["surrogate"]} \\ud800"}}'.encode(),
        f'{{"text": "{WORDS["latin"]} caf\xe9"}}'.encode("latin-1"),
        f'{"[" * 5_000}"{WORDS["deep"]}"'.encode(),
    ]
    (folder / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    for name, word in (("b.jsonl", "raising"), ("d.jsonl", "killing")):
        (folder / name).write_text(json.dumps({"url": "http://b.example/", "text": prose(6, WORDS[word])}) + "\n")


def _pages() -> bytes:
    html = f"""<html><head><title>Page</title><meta name="description" content="{WORDS["attribute"]}">
<script>var x = "{WORDS["script"]}";</script></head><body><!-- {WORDS["comment"]} -->
<article title="{WORDS["attribute"]}"><p>{prose(7, WORDS["page"])}</p></article></body></html>"""
    records = [
        _record(html, 200), _record(f"<html><body>{prose(8, WORDS['missing'])}</body></html>", 404),
        _record(f"GIF89a {WORDS['image']}", 200, "image/gif"),
        _record(f"<html><body>{'<div>' * 500}{WORDS['nested']}</body></html>", 200),
    ]  # fmt: skip
    end = gzip.compress(_record(f"{WORDS['end']} {os.urandom(4000).hex()}", 200), mtime=0)
    return b"".join(gzip.compress(r, mtime=0) for r in records) + end[: len(end) - 500]


def _record(body: str, status: int, kind: str = "text/html") -> bytes:
    block = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n\r\n{body}".encode()
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://c.example/\r\nContent-Type: application/http\r\n"
        f"WARC-Date: 2026-01-02T03:04:05Z\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"
