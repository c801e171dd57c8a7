"""The scanner finds what is planted in every kind of container that a run could write: only then its silence counts."""

import base64
import bz2
import gzip
import json
import lzma
import os
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.canary import find

WORD = "Zorquibanef7"
SENTENCE = f"It is said that the {WORD} has two sides, and that few have seen both."


def parquet(path: Path, column: Any, **options: Any) -> None:
    pq.write_table(pa.table({"c": column}), path, compression="zstd", **options)


def cut_parquet(path: Path) -> None:
    parquet(path, pa.array([SENTENCE] * 100), use_dictionary=False)
    path.write_bytes(path.read_bytes()[:-8])


def database(path: Path, *, wal: bool = False, packed: bool = False) -> Any:
    opened = sqlite3.connect(path)
    if wal:
        opened.execute("pragma journal_mode = wal")
    opened.execute("create table t (k text, v)")
    value = gzip.compress(SENTENCE.encode()) if packed else "x" * 10_000 + SENTENCE
    opened.execute("insert into t values (?, ?)", ("k", value))
    opened.commit()
    return opened if wal else opened.close()


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gz", gzip.compress(SENTENCE.encode()))


PLANTED: dict[str, Callable[[Path], Any]] = {
    "text": lambda p: p.write_text(SENTENCE),
    "lower-case": lambda p: p.write_text(SENTENCE.lower()),
    "utf-16": lambda p: p.write_bytes(SENTENCE.encode("utf-16-be")),
    "hex": lambda p: p.write_text(SENTENCE.encode().hex()),
    "base64": lambda p: p.write_bytes(base64.b64encode(SENTENCE.encode())),
    "base64-shifted": lambda p: p.write_bytes(base64.b64encode(b"x" + SENTENCE.encode())),
    "base64-twice-shifted": lambda p: p.write_bytes(base64.b64encode(b"xx" + SENTENCE.encode())),
    "json": lambda p: p.write_text(json.dumps({"a": [SENTENCE]})),
    "pickle": lambda p: p.write_bytes(pickle.dumps({"a": SENTENCE})),
    "name": lambda p: p.with_name(f"a-{WORD}.log").touch(),
    "folder": lambda p: (p.parent / WORD).mkdir(),
    "link": lambda p: os.symlink(f"/nowhere/{WORD}", p),
    "gzip": lambda p: p.write_bytes(gzip.compress(b"first member") + gzip.compress(SENTENCE.encode())),
    "gzip-cut": lambda p: p.write_bytes(gzip.compress(SENTENCE.encode() + os.urandom(10_000))[:-20]),
    "zstd": lambda p: p.write_bytes(zstandard.compress(SENTENCE.encode() * 3)),
    "zstd-inside": lambda p: p.write_bytes(b"head" + zstandard.compress(SENTENCE.encode() * 3)),
    "bzip2": lambda p: p.write_bytes(bz2.compress(SENTENCE.encode())),
    "xz": lambda p: p.write_bytes(lzma.compress(SENTENCE.encode())),
    "zip": zipped,
    "parquet": lambda p: parquet(p, pa.array(["a", SENTENCE])),
    "parquet-dictionary": lambda p: parquet(p, pa.array([SENTENCE] * 50).dictionary_encode()),
    "parquet-binary": lambda p: parquet(p, pa.array([SENTENCE.encode()])),
    "parquet-list": lambda p: parquet(p, pa.array([["a"], [SENTENCE]])),
    "parquet-struct": lambda p: parquet(p, pa.array([{"a": {"b": SENTENCE}}])),
    "parquet-map": lambda p: parquet(p, pa.array([[(SENTENCE, 1)]], pa.map_(pa.string(), pa.int64()))),
    "parquet-column-name": lambda p: pq.write_table(pa.table({WORD: [1]}), p),
    "parquet-cut": cut_parquet,
    "sqlite": database,
    "sqlite-packed-value": lambda p: database(p, packed=True),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_word_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    PLANTED[kind](tmp_path / "deep" / "er" / "file")
    assert {place.word for place in find([WORD, "Quibanefzor7"], [tmp_path])} == {WORD}


def test_a_row_that_stands_in_the_log_only_is_found(tmp_path: Path) -> None:
    opened = database(tmp_path / "db", wal=True)
    places = find([WORD], [tmp_path])
    opened.close()
    assert tmp_path / "db" in {place.path for place in places if "table t" in place.inside}


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    for number, plant in enumerate(PLANTED.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        plant(folder / "file")
    assert find(["Zorquibadef7", "Quibanefzor7"], [tmp_path]) == []
