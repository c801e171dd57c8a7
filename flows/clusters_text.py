"""Clusters of duplicates for a terminal: what they are, why their keeper was kept, and where texts differ, in columns.

Texts and names come from strangers: every control character is shown as its escape, and only then colours are added.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from curate.reports.clusters import Cluster, Member, Spread
from curate.reports.comparison import Comparison, Run
from curate.reports.visible import visible

BOLD, LEFT, RIGHT, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"

NARROWEST = 20
"""Columns of one of two texts, at least."""

BETWEEN = " | "


class Style(NamedTuple):
    """What the terminal can show."""

    columns: int
    colour: bool
    """Without, what differs stands between [- -] on the left and {+ +} on the right."""


def totals(clusters: int, documents: int, counts: Mapping[str, int]) -> str:
    """One line on all clusters of a run, and on what was not compared."""
    said = f"{documents:,} documents in {clusters:,} clusters of two or more"
    if counts.get("not_compared"):
        bucket = f"the largest bucket has {counts['largest_bucket']:,} texts"
        said += f"; {counts['not_compared']:,} pairs were not compared with each other ({bucket})"
    return said


def described(cluster: Cluster, style: Style) -> str:
    """A block of lines; no text of a document in it."""
    head = f"{_documents(cluster.documents)}, {cluster.exact + 1:,} with the keeper's text"
    near = f", {cluster.near.number:,} near it: {_spread(cluster.near)}" if cluster.near else ""
    lines = [_bold(f"cluster {cluster.id}", style) + f"  {head}{near}"]
    fields = [
        ("kept as", _why(cluster)),
        ("pairs", _pairs(cluster)),
        ("sources", _labels(cluster.sources)),
        ("languages", _labels(cluster.languages)),
        ("hosts", _labels(cluster.hosts)),
    ]
    lines += [f"  {name:<10} {visible(value)}" for name, value in fields if value]
    lines += [f"  {_member(member)}" for member in cluster.members]
    left_out = cluster.documents - len(cluster.members)
    return "\n".join(lines + ([f"  and {left_out:,} more"] if left_out else []))


def side_by_side(member: Member, compared: Comparison, style: Style) -> str:
    """The keeper's text on the left and the member's on the right, where they differ."""
    lines = [f"  keeper, and {member.id} on the right"]
    width = max(NARROWEST, (style.columns - len(BETWEEN) - 2) // 2)
    for place in compared.places:
        if place.same_before:
            lines.append(f"  ... {place.same_before:,} words the same")
        left, right = list(_wrapped(place.left, 0, width, style)), list(_wrapped(place.right, 1, width, style))
        for number in range(max(len(left), len(right))):
            cells = [side[number] if number < len(side) else " " * width for side in (left, right)]
            lines.append(f"  {cells[0]}{BETWEEN}{cells[1]}".rstrip())
    if not compared.places:
        lines.append("  the words are the same: spacing alone differs")
    more = f", {compared.not_compared:,} further on not aligned" if compared.not_compared else ""
    only = f"{compared.only_left:,} in the keeper alone, {compared.only_right:,} in the other"
    return "\n".join([*lines, f"  words: {compared.same:,} in both, {only}{more}"])


def _bold(text: str, style: Style) -> str:
    return f"{BOLD}{text}{PLAIN}" if style.colour else text


def _documents(number: int) -> str:
    return f"{number:,} document{'s' if number > 1 else ''}"


def _spread(spread: Spread) -> str:
    if spread.min == spread.max:
        return f"similarity {spread.min:.3f}"
    return f"similarity {spread.min:.3f} to {spread.max:.3f}, median {spread.median:.3f}"


def _why(cluster: Cluster) -> str:
    """The criterion that decided, against the next document by the policy."""
    if not cluster.why:
        return "the only one"
    *equal, decided = cluster.why
    same = f"; equal before that: {', '.join(each.name for each in equal)}" if equal else ""
    return f"{decided.name}: {decided.keeper}, and the next, {cluster.runner_up}, {decided.runner_up}{same}"


def _pairs(cluster: Cluster) -> str:
    possible = cluster.texts * (cluster.texts - 1) // 2
    if not possible:
        return ""
    found = f", {_spread(cluster.pairs)}" if cluster.pairs else ""
    number = cluster.pairs.number if cluster.pairs else 0
    return f"{number:,} of {possible:,} between its {cluster.texts:,} texts are verified{found}"


def _labels(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {number:,}" for label, number in counted.items())


def _member(member: Member) -> str:
    near = "keeper" if member.similarity is None else f"{member.similarity:.3f}"
    because = f" by {member.reason.partition('=')[0]}" if member.reason else ""
    day = member.date.date().isoformat() if member.date else "no date"
    facts = [member.source, member.lang, f"{member.chars:,} characters", day, member.url or "no URL"]
    how = "same text" if member.exact else near
    return visible(f"{how:<10} {member.id}  {member.status}{because}  {'  '.join(facts)}")


def _wrapped(runs: Sequence[Run], side: int, width: int, style: Style) -> Iterator[str]:
    """Lines of exactly `width` columns."""
    line, used = "", 0
    for word, differs, apart in _words(runs, side, style):
        for piece in _pieces(word, width):
            size, blank = columns(piece), " " if used and apart else ""
            if used + len(blank) + size > width:
                yield line + " " * (width - used)
                line, used, blank = "", 0, ""
            colour = (LEFT, RIGHT)[side] if differs and style.colour else ""
            line += f"{blank}{colour}{piece}{PLAIN if colour else ''}"
            used += len(blank) + size
    if used:
        yield line + " " * (width - used)


def _words(runs: Sequence[Run], side: int, style: Style) -> Iterator[tuple[str, bool, bool]]:
    """Words as they can be seen, whether they differ, and whether a blank is before them."""
    begin, end = ("[-", "-]") if side == 0 else ("{+", "+}")
    apart = False
    for run in runs:
        marked = visible(run.text.strip())
        if run.differs and not style.colour:
            marked = f"{begin}{marked}{end}"
        for word in marked.split(" "):
            yield word, run.differs, apart
            apart = True
        apart = run.text.endswith(" ")


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word, in parts of at most `width` columns."""
    start = used = 0
    for at, character in enumerate(word):
        size = columns(character)
        if used + size > width:
            yield word[start:at]
            start, used = at, 0
        used += size
    yield word[start:]


def columns(text: Iterable[str]) -> int:
    """Columns that a terminal takes for characters that can be seen."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)
