"""Answers of models, kept so that nothing is asked twice: SQLite in WAL mode, JSON payloads, no pickle.

Several processes may read and write. A killed writer loses at most its open transaction. The folder must be on a local
disk: WAL needs shared memory, which network file systems do not give.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from curate.errors import ModelError
from curate.llm.answers import DEFINITIVE, Answer
from curate.llm.packaged import locked

FILE = "answers.sqlite"
MAX_TEXT_CHARS = 100_000
"""Of a raw reply; what is longer is cut, and was cut for whoever read it first, too."""

QUERY_KEYS = 500
"""Keys of one query; SQLite allows 32,766 parameters."""

SCHEMA = """
create table if not exists answers (key blob primary key, text_hash blob not null, payload text not null) without rowid;
create index if not exists answers_by_text on answers (text_hash);
"""


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

    def put_many(self, answers: Mapping[bytes, tuple[bytes, Answer]]) -> None:
        """Commit `{key: (text_hash, answer)}`; a key that is taken keeps its answer. Raises ValueError for failures."""
        rows = []
        for key, (text_hash, answer) in answers.items():
            if answer.status not in DEFINITIVE:
                raise ValueError(f"status {answer.status!r} may pass and is not cached")
            capped = replace(answer, text=(answer.text or "")[:MAX_TEXT_CHARS])
            rows.append((key, text_hash, json.dumps(capped.to_json(), allow_nan=False)))
        with self._failing_clearly(), self._db:
            self._db.executemany("insert or ignore into answers values (?, ?, ?)", rows)

    def remove(self, keys: Iterable[bytes]) -> None:
        """Delete these answers; what is not there is no error."""
        with self._failing_clearly(), self._db:
            self._db.executemany("delete from answers where key = ?", [(key,) for key in keys])

    def purge(self, text_hashes: Iterable[bytes]) -> int:
        """Delete all answers about these texts, from the disk too; how many there were."""
        with self._db:
            named = [(text_hash,) for text_hash in text_hashes]
            deleted = self._db.executemany("delete from answers where text_hash = ?", named).rowcount
        self._db.execute("pragma wal_checkpoint(truncate)")  # secure_delete overwrites pages, the log must go as well
        return deleted

    def stats(self) -> dict[str, int]:
        """Number of answers and bytes of their payloads."""
        entries, size = self._db.execute("select count(*), coalesce(sum(length(payload)), 0) from answers").fetchone()
        return {"entries": entries, "bytes": size}

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=60)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")  # a power cut may lose the last answers, never the file
        db.execute("pragma secure_delete = on")
        db.executescript(SCHEMA)
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
