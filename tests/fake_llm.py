"""A server that speaks the OpenAI protocol badly on purpose; for fault tests only.

`script` is what happens to the questions in the order of their arrival; the last entry repeats. Entries are the keys of
`FAULTS`, HTTP statuses as numbers, or `ok`.
"""

import json
import math
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CANARIES = {
    "The capital of France is",
    "Two plus two makes",
    "The sun rises in the",
    "Answer with one word. Is ice warmer than steam? Answer:",
}
"""Of curate/llm/canary.py, which would take a second to import."""

MODEL = "smollm2-135m-instruct"
"""The fake says that it serves the packaged model, whose tokenizer is here."""


def completion(
    body: dict[str, Any], text: str, logprobs: dict[str, Any] | None, finish: str = "stop"
) -> dict[str, Any]:
    """An answer as vLLM gives it, in the form that was asked for."""
    usage = {"prompt_tokens": 10, "completion_tokens": 1}
    if "messages" in body:
        content = [{"top_logprobs": [{"token": t, "logprob": p} for t, p in logprobs.items()]}] if logprobs else None
        choice = {"message": {"content": text}, "finish_reason": finish, "logprobs": {"content": content}}
        return {"choices": [choice], "usage": usage}
    tops = {"top_logprobs": [logprobs]} if logprobs else None
    return {"choices": [{"text": text, "finish_reason": finish, "logprobs": tops}], "usage": usage}


def echoed(body: dict[str, Any], server: "FakeLlm") -> dict[str, Any]:
    """The prompt's own tokens, here words with the blank before them, and one more; the first has no probability."""
    tokens = [*re.findall(r"\s?\S+|\s", body["prompt"]), " and"]
    values = [None, *(server.likely.get(token, -9.0) for token in tokens[1:])]
    answer = completion(body, "".join(tokens), None, "length")
    answer["choices"][0]["logprobs"] = {"tokens": tokens, "token_logprobs": values}
    return answer


def asks_canary(body: dict[str, Any]) -> bool:
    """Whether it is one of the questions about the model, and about no document."""
    return (body.get("prompt") or body["messages"][0]["content"]) in CANARIES


def good(body: dict[str, Any], server: "FakeLlm") -> dict[str, Any]:
    choices = body.get("structured_outputs", {}).get("choice")
    if body.get("echo"):
        return echoed(body, server)
    if not choices and "logprobs" in body:
        return completion(body, max(server.likely, key=server.likely.__getitem__), dict(server.likely), "length")
    if not choices:
        return completion(body, server.write(body), None)
    if "logprobs" not in body:
        return completion(body, server.choose(body, choices), None)
    # The pieces are what a real server returns beside the choices.
    values = [-1.0 - i for i in reversed(range(len(choices)))]
    if server.score and not asks_canary(body):
        likely = server.score(body)
        values = [math.log(likely), *[math.log((1 - likely) / (len(choices) - 1))] * (len(choices) - 1)]
    tops = dict(zip(choices, values, strict=True)) | {" ": -0.1, choices[0][:2]: -3.0}
    return completion(body, choices[-1], tops, "length")


def altered(**choice: Any) -> Callable[[dict[str, Any], "FakeLlm"], dict[str, Any]]:
    """A good answer whose choice has other fields."""

    def reply(body: dict[str, Any], server: "FakeLlm") -> dict[str, Any]:
        answer = good(body, server)
        answer["choices"][0] |= choice
        return answer

    return reply


def one_logprob(value: Any) -> Callable[[dict[str, Any], "FakeLlm"], dict[str, Any]]:
    def reply(body: dict[str, Any], server: "FakeLlm") -> dict[str, Any]:
        answer = good(body, server)
        found = answer["choices"][0]["logprobs"]
        if "token_logprobs" in found:
            found["token_logprobs"][-2] = value
            return answer
        tops = found["content"][0]["top_logprobs"] if "content" in found else found["top_logprobs"][0]
        if isinstance(tops, list):
            tops[0]["logprob"] = value
        else:
            tops[next(iter(tops))] = value
        return answer

    return reply


def joined(body: dict[str, Any], server: "FakeLlm") -> dict[str, Any]:
    """A token of the echo begins in the prompt and ends in what was to be scored."""
    answer = good(body, server)
    found = answer["choices"][0]["logprobs"]
    found["tokens"][-3:-1] = ["".join(found["tokens"][-3:-1])]
    found["token_logprobs"].pop()
    return answer


FAULTS: dict[str, Callable[[dict[str, Any], "FakeLlm"], Any]] = {
    "ok": good,
    "empty_choices": lambda _, __: {"choices": []},
    "error_as_200": lambda _, __: {"error": {"message": "5", "type": "internal"}},
    "list": lambda _, __: ["5"],
    "no_logprobs": altered(logprobs=None),
    "nan_logprob": one_logprob(float("nan")),
    "text_logprob": one_logprob("-0.1"),
    "positive_logprob": one_logprob(2.5),
    "outside": altered(text=" superb", message={"content": " superb"}),
    "empty_text": altered(text=""),
    "null_text": altered(text=None, message={}),
    "filtered": altered(finish_reason="content_filter"),
    "length": altered(finish_reason="length"),
    "joined": joined,
}


@dataclass
class FakeLlm:
    """What the tests read and set; see `serve`."""

    script: list[str | int] = field(default_factory=lambda: ["ok"])
    write: Callable[[dict[str, Any]], str] = lambda _: "A text."
    """Free-text answer to a question's body."""

    score: Callable[[dict[str, Any]], float] | None = None
    """Probability of the first choice by a question's body; the others share the rest."""

    choose: Callable[[dict[str, Any], list[str]], str] = lambda _, choices: choices[-1]
    """Which choice a sampled answer is."""

    likely: Mapping[str, float] = field(default_factory=dict)
    """Token -> log-probability: of an echoed prompt, -9 for others; of an answer that nothing constrains."""

    models: tuple[str, ...] = (MODEL,)
    owned_by: str = "fake"
    version: Any = "0.32.0"
    swapped_after: int | None = None
    """Questions after which another model answers under the same name."""

    constrains: bool = True
    """False: vLLM's field for choices is refused, as by OpenAI's own server, and the likeliest tokens are any."""

    keeps_logprobs: bool = True
    canaries: int = 0
    """How often a canary question was asked; those are in no other count, and no fault of the script hits them."""

    dripped: str = ""
    """Path at which a GET is answered a byte now and then."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    base_url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def asked(self) -> int:
        return len(self.bodies)

    def canary(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of the model that it is now; another one prefers the other choice."""
        with self._lock:
            self.canaries += 1
            swapped = self.swapped_after is not None and self.asked >= self.swapped_after
        choices = body.get("structured_outputs", {}).get("choice", [" yes", " no"])
        first, second = reversed(choices) if swapped else choices
        return completion(body, first, {first: -0.25, second: -1.5} if self.keeps_logprobs else None, "length")

    def next_step(self, body: dict[str, Any], key: str | None) -> str | int:
        with self._lock:
            self.bodies.append(body)
            self.keys.add(key)
            return self.script[min(len(self.bodies), len(self.script)) - 1]


class Handler(BaseHTTPRequestHandler):
    fake: FakeLlm

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == self.fake.dripped:
            self.drip()
        elif self.path == "/version":
            self.send({"version": self.fake.version})
        else:
            self.send({"data": [{"id": name, "owned_by": self.fake.owned_by} for name in self.fake.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.fake.constrains and "structured_outputs" in body:
            self.send({"error": {"message": "Unrecognized request argument supplied: structured_outputs"}}, status=400)
            return
        if asks_canary(body):
            self.send(self.fake.canary(body))
            return
        step = self.fake.next_step(body, self.headers.get("Authorization"))
        if isinstance(step, int):
            echo = f"5 {self.headers.get('Authorization')} {json.dumps(body)}"  # As careless servers do.
            self.send({"error": {"message": echo}, "choices": [{"text": " good"}]}, status=step)
        elif step == "too_long":
            self.send({"error": {"message": "maximum context length is 2048 tokens"}}, status=400)
        elif step == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif step == "hang":
            self.fake._stopping.wait(60)
        elif step == "late":
            self.fake._stopping.wait(1.5)
            self.send(good(body, self.fake))
        elif step == "drip":
            self.drip()
        elif step == "nested":
            self.send_bytes(b"[" * 100_000 + b"]" * 100_000)
        elif step == "broken_json":
            self.send_bytes(b'{"choices": [{"text": " good", "fini')
        elif step == "cut_body":
            self.send_bytes(b'{"choices": ', announced=1000)
        else:
            self.send(FAULTS[step](body, self.fake))

    def drip(self) -> None:
        """A byte now and then: no single read times out."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.fake._stopping.is_set():
            try:
                self.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.05)

    def send(self, value: Any, status: int = 200) -> None:
        self.send_bytes(json.dumps(value).encode(), status=status)

    def send_bytes(self, content: bytes, status: int = 200, announced: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(announced or len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what the tests are about."""


@contextmanager
def serve(*script: str | int, **settings: Any) -> Iterator[FakeLlm]:
    """A fake on a free port of 127.0.0.1."""
    fake = FakeLlm(list(script) or ["ok"], **settings)
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"fake": fake}))
    fake.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake._stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
