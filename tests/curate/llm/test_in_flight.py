"""Requests in flight follow what the server can take; the order of questions stays."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from curate.llm.in_flight import MOST, START, InFlight


def driven(fixed: int | None, rate: Callable[[int], float], rounds: int, pushes: Callable[[int], bool]) -> list[int]:
    """The limit after each round, of a server that answers `rate(limit)` questions of one token a second."""
    now = 0.0

    async def run() -> list[int]:
        nonlocal now
        limits, flight = [], InFlight(fixed, lambda: now)
        for _ in range(rounds):
            limit = flight.limit
            async with flight.slot():  # so that it is never idle
                if pushes(limit):
                    flight.pushed_back()
                now += limit / rate(limit)
                for _ in range(limit):
                    flight.answered(1)
            limits.append(flight.limit)
        return limits

    return asyncio.run(run())


@pytest.mark.parametrize("takes", [20, 60, 200])
def test_it_doubles_while_that_pays_and_then_grows_slowly(takes: int) -> None:
    limits = driven(None, lambda limit: min(limit, takes), 12, lambda _: False)
    fast = [limit for limit in limits if limit >= takes]
    assert min(fast) < 2 * takes
    assert max(limits) <= 4 * takes
    assert all(after - before <= 1 for before, after in pairwise(fast[1:]))


@pytest.mark.parametrize("bound", [12, 50, 130])
def test_a_server_that_pushes_back_is_asked_less_and_found_again(bound: int) -> None:
    limits = driven(None, float, 300, lambda limit: limit > bound)
    assert max(limits) <= 2 * bound
    assert min(limits[10:]) >= bound // 4
    assert max(limits[-50:]) > bound // 2


def test_it_has_bounds_whatever_the_server_does() -> None:
    assert max(driven(None, lambda limit: float(limit**2), 40, lambda _: False)) == MOST
    assert min(driven(None, float, 40, lambda _: True)) >= 1


@pytest.mark.parametrize("fixed", [1, 5, 500])
def test_a_number_of_the_config_stays(fixed: int) -> None:
    assert set(driven(fixed, float, 5, lambda limit: limit % 2 == 0)) == {fixed}


@pytest.mark.parametrize(("fixed", "most"), [(1, 1), (3, 3), (None, START)])
def test_no_more_are_out_at_a_time_and_they_go_in_their_order(fixed: int | None, most: int) -> None:
    async def run() -> None:
        flight, out, begun = InFlight(fixed, lambda: 0.0), 0, []

        async def ask(number: int) -> None:
            nonlocal out
            async with flight.slot():
                out += 1
                begun.append(number)
                assert out <= most
                await asyncio.sleep(0)
                out -= 1

        await asyncio.gather(*(ask(number) for number in range(100)))
        assert begun == list(range(100))

        given_up = [asyncio.create_task(ask(number)) for number in range(20)]
        await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        out = 0
        await asyncio.wait_for(ask(0), 10)  # no place was lost

    asyncio.run(run())
