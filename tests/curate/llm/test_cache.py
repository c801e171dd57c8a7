import contextlib
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import ModelError
from curate.llm import cache as cache_module
from curate.llm.answers import DEFINITIVE, STATUSES, Answer
from curate.llm.cache import FILE, MAX_TEXT_CHARS, ResponseCache

TEXT_HASH = b"t" * 16

WRITER = """
import sys
from pathlib import Path
from curate.llm.answers import Answer
from curate.llm.cache import ResponseCache
cache = ResponseCache(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), int(sys.argv[3])):
    key = n.to_bytes(16, "big")
    cache.put_many({key: (key, Answer("ok", sys.argv[4] + str(n)))})
    print(n, flush=True)
"""


PURGER = """
import sys
from pathlib import Path
from curate.llm.cache import ResponseCache
cache = ResponseCache(Path(sys.argv[1]))
print("ready", flush=True)
for n in range(int(sys.argv[2])):
    cache.purge([(n * 10 + m).to_bytes(16, "big") for m in range(10)])
    print(n, flush=True)
"""


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def writer(folder: Path, first: int, last: int, prefix: str = "answer ") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(last), prefix]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    answers = {key(n): (TEXT_HASH, Answer("ok", f"ä{n}", {" a": -0.5}, 3, 1, "stop")) for n in range(1200)}
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        cache.put_many(answers)
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        assert cache.get_many([*answers, key(5000)]) == {k: answer for k, (_, answer) in answers.items()}
        assert cache.stats()["entries"] == 1200


def test_the_first_answer_stays(tmp_path: Path) -> None:
    with contextlib.closing(ResponseCache(tmp_path)) as cache, contextlib.closing(ResponseCache(tmp_path)) as other:
        cache.put_many({key(1): (TEXT_HASH, Answer("ok", "first"))})
        other.put_many({key(1): (TEXT_HASH, Answer("ok", "second"))})
        assert cache.get_many([key(1)])[key(1)].text == other.get_many([key(1)])[key(1)].text == "first"


@pytest.mark.parametrize("status", sorted(set(STATUSES) - DEFINITIVE))
def test_what_may_pass_is_not_kept(tmp_path: Path, status: str) -> None:
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        with pytest.raises(ValueError, match=status):
            cache.put_many({key(1): (TEXT_HASH, Answer(status))})  # type: ignore[arg-type]
        assert cache.stats() == {"entries": 0, "bytes": 0}


def test_a_huge_reply_is_capped(tmp_path: Path) -> None:
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        cache.put_many({key(1): (TEXT_HASH, Answer("ok", "x" * (MAX_TEXT_CHARS + 5)))})
        text = cache.get_many([key(1)])[key(1)].text
        assert text == "x" * MAX_TEXT_CHARS


def test_a_purge_leaves_no_byte_on_the_disk(tmp_path: Path) -> None:
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        cache.put_many(
            {key(1): (TEXT_HASH, Answer("ok", "forgetme")), key(2): (TEXT_HASH, Answer("ok", "forgetme too"))}
        )
        cache.put_many({key(3): (b"k" * 16, Answer("ok", "keepme"))})
        assert cache.purge([TEXT_HASH, b"absent, 16 bytes"]) == 2
        on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"forgetme" not in on_disk
        assert set(cache.get_many([key(1), key(2), key(3)])) == {key(3)}


def test_an_acknowledged_answer_survives_sigkill(tmp_path: Path) -> None:
    process = writer(tmp_path, 0, 100_000)
    assert process.stdout
    acknowledged = [int(process.stdout.readline()) for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        found = cache.get_many(map(key, acknowledged))
        assert [found[key(n)].text for n in acknowledged] == [f"answer {n}" for n in acknowledged]
        cache.put_many({key(200_000): (TEXT_HASH, Answer("ok", "on we go"))})
        # At most the answer in flight was written and not yet acknowledged.
        assert cache.stats()["entries"] - 1 - len(acknowledged) in {0, 1}


@pytest.mark.parametrize("done", [0, 1, 3, 7, 12])
def test_a_purge_that_is_killed_has_taken_all_of_its_answers_or_none_and_damages_nothing(
    tmp_path: Path, done: int
) -> None:
    """SIGKILL while one of 200 purges of ten texts runs; the next purge, of nothing, wipes what was left in the log."""
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        cache.put_many({key(n): (key(n), Answer("ok", f"secret {n:05} " * 50)) for n in range(2000)})
    command = [sys.executable, "-c", PURGER, str(tmp_path), "200"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(1 + done)]
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    acknowledged = len(lines) - 1
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        left = {int.from_bytes(k) for k in cache.get_many(map(key, range(2000)))}
        gone = set(range(2000)) - left
        assert len(gone) % 10 == 0
        assert acknowledged <= len(gone) // 10 <= acknowledged + 1
        cache.purge([])
        on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert not [n for n in gone if f"secret {n:05}".encode() in on_disk]
        cache.put_many({key(5000): (TEXT_HASH, Answer("ok", "on we go"))})
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)


def test_one_process_purges_while_another_writes(tmp_path: Path) -> None:
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        cache.put_many({b"old" + key(n): (key(n), Answer("ok", "old")) for n in range(200)})
    writing = writer(tmp_path, 1000, 1100)
    purging = subprocess.Popen(
        [sys.executable, "-c", PURGER, str(tmp_path), "20"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said, errors = purging.communicate()
    writing.communicate()
    assert (writing.returncode, purging.returncode) == (0, 0), errors
    assert len(said.split()) == 21
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        assert len(cache.get_many(map(key, range(1000, 1100)))) == cache.stats()["entries"] == 100


def test_a_purge_that_cannot_wipe_the_log_says_so_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "BUSY_S", 0.05)
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        cache.put_many({key(1): (TEXT_HASH, Answer("ok", "forgetme"))})
        with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as reader:
            reader.execute("begin")
            assert reader.execute("select count(*) from answers").fetchone() == (1,)
            with pytest.raises(ModelError, match=r"1 answers are deleted, but.*run the same command again"):
                cache.purge([TEXT_HASH])
        assert cache.purge([TEXT_HASH]) == 0
        assert b"forgetme" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_shares_are_by_model_and_prompt_and_an_older_file_has_them_unnamed(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("create table answers (key blob primary key, text_hash blob not null, payload text not null) "
                   "without rowid")  # fmt: skip
        db.execute("insert into answers values (?, ?, ?)", (key(0), TEXT_HASH, '{"status": "ok", "text": "old"}'))
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        assert cache.get_many([key(0)])[key(0)].text == "old"
        for n, (model, prompt) in enumerate([("m@1", "p"), ("m@1", "q"), ("m@1", "p")], 1):
            cache.put_many({key(n): (TEXT_HASH, Answer("ok", "ä"))}, model=model, prompt_hash=prompt)
        found = {(part.model, part.prompt_hash): part.entries for part in cache.shares()}
        assert found == {("", ""): 1, ("m@1", "p"): 2, ("m@1", "q"): 1}
        assert cache.stats() == {"entries": 4, "bytes": sum(part.bytes for part in cache.shares())}


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 0, 150, f"{name} ") for name in "ab"]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        found = cache.get_many(map(key, range(150)))
        assert {
            k: answer.text in {f"a {int.from_bytes(k)}", f"b {int.from_bytes(k)}"} for k, answer in found.items()
        } == {key(n): True for n in range(150)}


@pytest.mark.parametrize("content", [pickle.dumps({"a": print}), b"\x00" * 5000, b"text" * 2000])
def test_another_file_in_its_place_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelError, match="no response cache"):
        ResponseCache(tmp_path)


def test_a_full_disk_is_a_clear_stop_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    """FAULTS 19: no file of the writer may grow beyond 100 kB."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    command = [sys.executable, "-c", limited + WRITER, str(tmp_path), "0", "1000", "x" * 1000]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    acknowledged = [int(line) for line in done.stdout.split()]
    assert acknowledged
    assert "ModelError" in done.stderr
    assert "make room" in done.stderr
    with contextlib.closing(ResponseCache(tmp_path)) as cache:
        assert len(cache.get_many(map(key, acknowledged))) == len(acknowledged)
        cache.put_many({key(5000): (TEXT_HASH, Answer("ok", "on we go"))})


def test_a_folder_that_cannot_be_made_is_a_clear_stop(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="no response cache"):
        ResponseCache(tmp_path / "file" / "cache")


@pytest.mark.parametrize("payload", [
    "{}", "null", "\x80\x04.", "[" * 100_000, pickle.dumps({"a": print}), '{"status": "fine"}',
    '{"status": "ok", "score": 5}',
])  # fmt: skip
def test_a_damaged_or_pickled_entry_is_refused(tmp_path: Path, payload: str | bytes) -> None:
    """FAULTS 44."""
    ResponseCache(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("insert into answers (key, text_hash, payload) values (?, ?, ?)", (key(1), TEXT_HASH, payload))
    with contextlib.closing(ResponseCache(tmp_path)) as cache, pytest.raises(ModelError, match="damaged"):
        cache.get_many([key(1)])
