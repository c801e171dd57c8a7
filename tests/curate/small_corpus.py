"""A corpus of eight objects whose run takes half a second and has something of everything: copies, near-copies, bad
lines, empty texts."""

import json
import random
from pathlib import Path

from tests.curate.runs import MEASURES, write_config

OBJECTS = 8
STEPS = [*MEASURES, {"transform": "pii.mask"}]
"""With a transform, so that `measure` writes texts too."""

PARTITIONS = 4

WORDS = [
    "answer", "country", "engine", "evening", "field", "garden", "green", "history", "house", "language", "letter",
    "light", "measure", "morning", "mountain", "number", "paper", "people", "picture", "problem", "question", "reason",
    "river", "science", "simple", "stone", "student", "summer", "system", "teacher", "valley", "water", "winter",
]  # fmt: skip


def text_of(seed: int, changed: int | None = None) -> str:
    """90 words; `changed`: the number of the word that is another one."""
    draw = random.Random(seed)
    words = [draw.choice(WORDS) for _ in range(90)]
    if changed is not None:
        words[changed] = "different"
    return ". ".join(" ".join(words[i : i + 9]).capitalize() for i in range(0, 90, 9)) + " of the and to."


def write_corpus(folder: Path) -> None:
    """Five documents an object (every tenth a copy, every fifth a near-copy), a broken line and an empty text."""
    folder.mkdir(parents=True)
    for number in range(OBJECTS):
        lines = []
        for i in range(number * 5, number * 5 + 5):
            text = text_of(i - 5) if i % 10 == 9 else text_of(i - 1, changed=40) if i % 5 == 2 else text_of(i)
            text += f" Write to a{i % 3}@example.org." if i % 4 == 0 else ""
            lines.append(json.dumps({"text": text, "url": f"http://a.example/{i}"}))
        (folder / f"object-{number:05d}.jsonl").write_text("\n".join([*lines, "broken", '{"text": ""}']) + "\n")


def config_over(corpus: Path, folder: Path, **sections: object) -> Path:
    """A config in `folder`, whose output and work folders lie there too."""
    source = {"source": "small", "uri": str(corpus)}
    return write_config(folder, [source], execution={"partitions": PARTITIONS}, **{"measure": STEPS} | sections)
