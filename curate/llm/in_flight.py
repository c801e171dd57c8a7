"""How many questions are with a server at a time: as the config says, or found by trying.

It starts at START and doubles for as long as a round of questions brings GAIN times the tokens a second of the round
before; from then on each round adds one. Where the server pushes back (429, 503, no reply in time) the number is
halved, and grows to what was too much at most.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

START, MOST = 8, 256
GAIN = 1.1


class InFlight:
    """Use `slot` around each question, from one event loop."""

    def __init__(self, fixed: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = fixed or START
        self._is_fixed = fixed is not None
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._used = 0
        self._is_trying = True
        self._best = 0.0
        self._ceiling = MOST
        """Reached before, and too many or no faster."""

        self._began = clock()
        self._questions = self._tokens = 0
        self._was_pushed_back = False

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a place, first come first served, and hold it."""
        if self._used == 0:
            self._begin_round()  # the time that nobody asked is no slowness of the server
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._let_in()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._used -= 1
                self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._used < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(None)

    def answered(self, tokens: int) -> None:
        """One question was answered, at that cost."""
        self._questions += 1
        self._tokens += tokens
        if self._questions >= self.limit and not self._is_fixed:
            self._end_round()

    def pushed_back(self) -> None:
        """The server said or showed that it has too much to do."""
        if self._is_fixed or self._was_pushed_back:
            return
        self._is_trying = False
        self._ceiling = self.limit
        self.limit = max(1, self.limit // 2)
        self._begin_round()
        self._was_pushed_back = True

    def _begin_round(self) -> None:
        self._began = self._clock()
        self._questions = self._tokens = 0
        self._was_pushed_back = False

    def _end_round(self) -> None:
        rate = self._tokens / max(self._clock() - self._began, 1e-9)
        if self._is_trying:
            self._is_trying = rate > GAIN * self._best and self.limit < MOST
            self.limit = 2 * self.limit if self._is_trying else self.limit
            self._best = rate
        elif not self._was_pushed_back:
            self.limit = min(self._ceiling, self.limit + 1)
        self._begin_round()
