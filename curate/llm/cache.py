"""Answers of models, kept so that nothing is asked twice: SQLite in WAL mode, JSON payloads, no pickle.

Several processes may read and write. A killed writer loses at most its open transaction. The folder must be on a local
disk: WAL needs shared memory, which network file systems do not give.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from curate.errors import ModelError
from curate.llm.answers import DEFINITIVE, Answer
from curate.llm.packaged import locked

FILE = "answers.sqlite"
MAX_TEXT_CHARS = 100_000
"""Of a raw reply; what is longer is cut, and was cut for whoever read it first, too."""

BUSY_S = 60.0
"""How long a call waits for another process that writes, and a purge for one that reads."""

QUERY_KEYS = 500
"""Keys of one query; SQLite allows 32,766 parameters."""

SCHEMA = """
create table if not exists answers (key blob primary key, text_hash blob not null, payload text not null) without rowid;
create index if not exists answers_by_text on answers (text_hash);
"""

ADDED = ("model", "prompt_hash")
"""Columns of whose answer to what it is; empty for answers that were put by an older version."""


@dataclass(frozen=True)
class Share:
    """What the cache holds of one model's answers to one prompt; both empty where nobody said."""

    model: str
    prompt_hash: str
    entries: int
    bytes: int
    """Of payloads."""


def existing(folder: Path) -> "ResponseCache":
    """The cache in `folder`, or that of the run whose work folder it is. Raises ModelError where there is none."""
    for place in (folder, folder / "responses"):
        if (place / FILE).is_file():
            return ResponseCache(place)
    raise ModelError(f"{folder}: no {FILE} here; expected a response cache (`llm.cache`) or a work folder with one")


class ResponseCache:
    """Definitive answers by their request's key. The first answer that was put under a key stays."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the cache in `folder`. Raises ModelError where another kind of file stands.

        So does every other call when the file or its disk fails: what was committed stays.
        """
        self.path = folder / FILE
        with self._failing_clearly():
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / ".lock"):  # the switch to WAL does not wait for a busy database
                self._db = self._open()

    def close(self) -> None:
        """Ends the connection; use the cache with contextlib.closing."""
        self._db.close()

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, Answer]:
        """Those of `keys` that are answered."""
        wanted, found = list(dict.fromkeys(keys)), {}
        for start in range(0, len(wanted), QUERY_KEYS):
            part = wanted[start : start + QUERY_KEYS]
            marks = ",".join("?" * len(part))
            with self._failing_clearly():
                rows = self._db.execute(f"select key, payload from answers where key in ({marks})", part).fetchall()
            found.update({key: self._parse(key, payload) for key, payload in rows})
        return found

    def put_many(self, answers: Mapping[bytes, tuple[bytes, Answer]], *, model: str = "", prompt_hash: str = "") -> int:
        """Commit `{key: (text_hash, answer)}` of one model to one prompt; a key that is taken keeps its answer.

        How many were new. Raises ValueError for failures.
        """
        rows = []
        for key, (text_hash, answer) in answers.items():
            if answer.status not in DEFINITIVE:
                raise ValueError(f"status {answer.status!r} may pass and is not cached")
            capped = replace(answer, text=(answer.text or "")[:MAX_TEXT_CHARS])
            rows.append((key, text_hash, json.dumps(capped.to_json(), allow_nan=False), model, prompt_hash))
        insert = "insert or ignore into answers (key, text_hash, payload, model, prompt_hash) values (?, ?, ?, ?, ?)"
        with self._failing_clearly(), self._db:
            return self._db.executemany(insert, rows).rowcount

    def remove(self, keys: Iterable[bytes]) -> None:
        """Delete these answers; what is not there is no error."""
        with self._failing_clearly(), self._db:
            self._db.executemany("delete from answers where key = ?", [(key,) for key in keys])

    def purge(self, text_hashes: Iterable[bytes]) -> int:
        """Delete all answers about these texts, from the disk too; how many there were.

        Killed on the way, it has deleted all or none; the next purge, of anything, wipes what is left on the disk.
        """
        with self._failing_clearly():
            with self._db:
                named = [(text_hash,) for text_hash in text_hashes]
                deleted = self._db.executemany("delete from answers where text_hash = ?", named).rowcount
            # secure_delete overwrites pages; the log, which may hold the rows as they were put, must go as well.
            is_busy, *_ = self._db.execute("pragma wal_checkpoint(truncate)").fetchone()
        if is_busy:
            raise ModelError(
                f"{self.path}: {max(deleted, 0):,} answers are deleted, but another process reads the cache and their "
                "bytes may still be in its log; run the same command again when it is done"
            )
        return max(deleted, 0)  # -1 where no text was named

    def stats(self) -> dict[str, int]:
        """Number of answers and bytes of their payloads."""
        parts = self.shares()
        return {"entries": sum(part.entries for part in parts), "bytes": sum(part.bytes for part in parts)}

    def shares(self) -> list[Share]:
        """The same by model and prompt, in order of their names."""
        with self._failing_clearly():
            rows = self._db.execute(
                "select model, prompt_hash, count(*), sum(length(cast(payload as blob))) from answers "
                "group by model, prompt_hash order by model, prompt_hash"
            ).fetchall()
        return [Share(*row) for row in rows]

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=BUSY_S)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")  # a power cut may lose the last answers, never the file
        db.execute("pragma secure_delete = on")
        db.executescript(SCHEMA)
        there = {name for _, name, *_ in db.execute("pragma table_info(answers)")}
        for name in ADDED:
            if name not in there:
                db.execute(f"alter table answers add column {name} text not null default ''")
        return db

    @contextlib.contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ModelError(
                f"{self.path}: no response cache ({error}); make room or set its permissions right, or move the file "
                "away where it is none of ours; then run again"
            ) from error

    def _parse(self, key: bytes, payload: str) -> Answer:
        try:
            return Answer.from_json(json.loads(payload))
        except (ValueError, TypeError, RecursionError) as error:
            raise ModelError(f"{self.path}: entry {key.hex()} is damaged; move the file away and run again") from error
