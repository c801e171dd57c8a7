"""Ctrl-C and SIGTERM: the first one stops the command, the second one ends it at once; neither takes over LIMIT_S.

Python calls a handler only between two steps of the main thread, which may be inside a library for minutes. So a thread
reads the signals too, from the pipe into which Python's own handler writes them, and ends the process when it is time.
What was started ends by itself then: Ray by its watcher, a model server by its own.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

STOPS = (signal.SIGINT, signal.SIGTERM)

LIMIT_S = 7.0
"""After the first signal. 10 s are promised until all is gone, and what is left then needs 2 s to notice."""

MESSAGE = "stopped; run the same command again to go on: what is finished is kept"

last: list[Callable[[], object]] = []
"""Calls for the case that the process is ended from here; each has LAST_S."""

LAST_S = 1.0

SHOW_CURSOR = "\x1b[?25h"


_stopped_by = signal.SIGINT


def exit_code() -> int:
    """What a shell gives for the first signal: 130 (Ctrl-C), 143 (SIGTERM)."""
    return 128 + _stopped_by


def listen() -> None:
    """From now on the first SIGINT or SIGTERM raises KeyboardInterrupt. For the main thread."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in STOPS:
        signal.signal(number, _stop)
    threading.Thread(target=_end_in_time, args=(read,), name="stopping", daemon=True).start()


def _stop(number: int, frame: object) -> None:
    """Raises where the main thread is; a second signal is the other thread's."""
    del frame
    global _stopped_by
    _stopped_by = signal.Signals(number)
    for each in STOPS:
        signal.signal(each, _ignore)
    raise KeyboardInterrupt


def _ignore(number: int, frame: object) -> None:
    del number, frame


def _end_in_time(signals: int) -> None:
    # Noted here too: for as long as Ray starts, SIGTERM has a handler of Ray's.
    global _stopped_by
    _stopped_by = _next_stop(signals) or signal.SIGINT
    second = _next_stop(signals, LIMIT_S)
    # A progress bar hides the cursor.
    sys.stderr.write(f"{SHOW_CURSOR if sys.stderr.isatty() else ''}curate: error: {MESSAGE}\n")
    sys.stderr.flush()
    for call in last:
        caller = threading.Thread(target=call, daemon=True)
        caller.start()
        caller.join(LAST_S)
    os._exit(128 + (second or _stopped_by))


def _next_stop(signals: int, within: float | None = None) -> signal.Signals | None:
    """The next signal that stops; None when there was none in so many seconds."""
    deadline = None if within is None else time.monotonic() + within
    while select.select([signals], [], [], deadline and max(0.0, deadline - time.monotonic()))[0]:
        if (number := os.read(signals, 1)[0]) in STOPS:
            return signal.Signals(number)
    return None
