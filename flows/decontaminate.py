"""`curate decontaminate`: the report as JSON lines, the table by set, and samples."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curate.decontamination import Contamination, Found
from curate.reports.visible import visible

HEAD = ("set", "items", "found", "texts", "too short", "common only", "documents", "highest")


@contextmanager
def report(path: Path | None) -> Iterator[Callable[[Found], object] | None]:
    """Takes each finding; as `lines`."""
    with lines(path) as write:
        yield write and (lambda found: write(found.to_json()))


@contextmanager
def lines(path: Path | None) -> Iterator[Callable[[Mapping[str, Any]], object] | None]:
    """Takes values as one line of JSON each; the file is there when all of them are in it."""
    if path is None:
        yield None
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield lambda values: file.write(json.dumps(values, ensure_ascii=False) + "\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def table(found: Contamination) -> str:
    """A line a set, what is below it, and the samples."""
    rows = [HEAD]
    for name, count in found.sets.items():
        numbers = (count.items, count.items_found, count.texts, count.too_short, count.only_common, count.documents)
        rows.append((name, *(f"{number:,}" for number in numbers), f"{count.highest:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    unread = f", {found.unread:,} records without text or damaged" if found.unread else ""
    lines.append(f"{found.contaminated:,} of {found.documents:,} documents hold a text of some set{unread}")
    for each, text in found.samples:
        place = f"{each.document.object}@{each.document.offset}"
        lines.append(f"\n{each.set} item {each.item} {each.field}: {each.containment:.2f} of it in {place},")
        lines.append(f"characters {each.start}..{each.end}: {visible(text)}")
    return "\n".join(lines)
