"""What a terminal is shown of clusters: columns that hold, and nothing in a text or a name that steers it."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.reports.clusters import Cluster, Criterion, Member, Spread
from curate.reports.comparison import compare
from flows.clusters_text import BETWEEN, BOLD, LEFT, PLAIN, RIGHT, Style, columns, described, side_by_side, totals
from tests.curate.hostile import HOSTILE

MEMBER = Member(
    "0f" * 16, "http://a.example/", "web", "eng_Latn", datetime(2020, 1, 1, tzinfo=UTC), 100,
    similarity=0.8, exact=False, status="rejected", reason="dedup.similarity=0.8 >= 0.75 to 00", shard="shard", row=0,
)  # fmt: skip
SPREAD = Spread(1, 0.8, 0.8, 0.8)
CLUSTER = Cluster(
    "00" * 16, 2, 0, SPREAD, 2, SPREAD, {"web": 2}, {"eng_Latn": 2}, {"a.example": 2}, {"kept": 1, "rejected": 1},
    MEMBER.id, (Criterion("longest", "9 characters", "8 characters", decided=True),), (MEMBER,),
)  # fmt: skip
OURS = re.compile("|".join(map(re.escape, (BOLD, LEFT, RIGHT, PLAIN))))


def plain(said: str) -> str:
    """Without our own colours; fails where anything else could steer a terminal."""
    bare = OURS.sub("", said)
    assert all(c.isprintable() or c == "\n" for c in bare)
    return bare


@pytest.mark.parametrize("colour", [True, False])
def test_names_from_outside_cannot_steer_the_terminal(colour: bool) -> None:  # noqa: FBT001
    style = Style(120, colour)
    for name in HOSTILE:
        members = (replace(MEMBER, url=name, source=name, lang=name, reason=name),)
        why = (Criterion("priority of its source", name, name, decided=True),)
        labels = {name: 2}
        hostile = replace(CLUSTER, members=members, why=why, sources=labels, hosts=labels, languages=labels)
        assert plain(described(hostile, style)).count("\n") == described(CLUSTER, style).count("\n")


@given(st.text(max_size=300), st.text(max_size=300), st.integers(40, 160), st.booleans())
def test_texts_cannot_steer_the_terminal_and_keep_their_columns(one: str, other: str, width: int, colour: bool) -> None:  # noqa: FBT001
    said = plain(side_by_side(MEMBER, compare(one, other), Style(width, colour)))
    cell = max(20, (width - len(BETWEEN) - 2) // 2)
    for line in said.split("\n")[1:-1]:
        if not line.startswith(("  ... ", "  the words are the same")):
            cut = next(n for n in range(len(line) + 1) if columns(line[:n]) >= 2 + cell)
            assert columns(line[:cut]) == 2 + cell
            assert line[cut:].startswith(BETWEEN.rstrip())
            assert columns(line) <= 2 + 2 * cell + len(BETWEEN)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_shown_as_escapes(name: str) -> None:
    words = " ".join(random.Random(0).choices(["river", "stone", "sand"], k=40))
    said = plain(side_by_side(MEMBER, compare(words, f"{words} {name}"), Style(200, colour=False)))
    assert "{+" in said
    assert "+}" in said


def test_what_differs_is_coloured_or_in_brackets() -> None:
    compared = compare("the river is long", "the river was long")
    assert f"river {LEFT}is{PLAIN} long" in side_by_side(MEMBER, compared, Style(100, colour=True))
    bare = side_by_side(MEMBER, compared, Style(100, colour=False))
    assert "river [-is-] long" in bare
    assert "river {+was+} long" in bare
    assert "\x1b" not in bare


def test_pairs_that_were_not_compared_are_said() -> None:
    assert "not compared" not in totals(1, 2, {"not_compared": 0, "largest_bucket": 3})
    assert "7 pairs were not compared with each other (the largest bucket has 30 texts)" in totals(
        1, 2, {"not_compared": 7, "largest_bucket": 30}
    )
