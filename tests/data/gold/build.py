"""The shipped gold set from the shipped sample: passages of its pages (label 1), and one made bad of each (label 0).

    python -m tests.data.gold.build

Writes curate/judging/gold/gold.jsonl.zst and prints the counts that its README.md gives. Reads nothing but the sample
in this repository, and every choice comes from a hash of the page's address: the same sample gives the same bytes.
"""

import gzip
import hashlib
import json
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml
import zstandard
from warcio.archiveiterator import ArchiveIterator

from curate.config import LanguageConfig
from curate.judging.gold import SHIPPED, GoldText
from curate.text.language import load
from curate.text.language_codes import normalise_code

SAMPLE = Path(__file__).parents[1] / "sample"
sys.path.insert(0, str(SAMPLE))
from damage import SITE, text_of  # noqa: E402

PHRASES = yaml.safe_load(Path(__file__).with_name("phrases.yaml").read_text(encoding="utf-8"))
SHORTEST, LONGEST = 200, 1_500
ENGLISH_PAGES = 110
PAGES_A_LANGUAGE = 8
NO_BLANKS = {"ja", "zh"}
PROSE = {"ja": 40, "zh": 40, "ko": 60}
"""Characters from which a paragraph counts as prose rather than a label; 100 in other languages."""


def pages() -> Iterator[tuple[str, str, list[str]]]:
    """Address, language and paragraphs of prose of the sample's unaltered pages, in order of a hash of the address."""
    truth = (json.loads(line) for line in (SAMPLE / "truth.jsonl").read_text(encoding="utf-8").splitlines())
    kept = {row["url"]: row["lang"] for row in truth if row["kind"] == "page" and row["file"].startswith("warc/")}
    found = {}
    for file in sorted((SAMPLE / "warc").glob("*.gz")):
        with file.open("rb") as stream:
            for url, body in _responses(stream):
                if url in kept:
                    least = PROSE.get(kept[url], 100)
                    lines = (re.sub(r"\s+", " ", line).strip() for line in text_of(body).split("\n"))
                    found[url] = [line for line in lines if len(line) >= least and not line.startswith("[")]
    for url in sorted(found, key=lambda url: _rng(url, "order").random()):
        yield url, kept[url], found[url]


def _responses(stream) -> Iterator[tuple[str, str]]:
    try:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response":
                body = record.content_stream().read().decode("utf-8", "replace")
                yield record.rec_headers.get_header("WARC-Target-URI"), body
    except (EOFError, gzip.BadGzipFile):
        pass  # The sample's last record is broken off on purpose.


def passage(paragraphs: list[str], rng: random.Random) -> str | None:
    """Whole paragraphs in their order, from a random one on, 200 to 1,500 characters; None where there are too few."""
    wanted = math.exp(rng.uniform(math.log(300), math.log(1_200)))
    for start in rng.sample(range(len(paragraphs)), len(paragraphs)):
        taken: list[str] = []
        for paragraph in paragraphs[start:]:
            if len("\n\n".join([*taken, paragraph])) > LONGEST or len("\n\n".join(taken)) >= wanted:
                break
            taken.append(paragraph)
        if len(text := "\n\n".join(taken)) >= SHORTEST:
            return text
    return None


def shuffled(text: str, lang: str, rng: random.Random) -> str:
    """All words in random order; of Japanese and Chinese, pieces of two characters."""
    words = re.findall(r"\S{1,2}", text) if lang in NO_BLANKS else text.split()
    rng.shuffle(words)
    return ("" if lang in NO_BLANKS else " ").join(words)


def spam(text: str, lang: str, rng: random.Random) -> str:
    """Lines of advertising about words of the passage."""
    words = re.findall(r"[^\W\d_]{2,4}" if lang in NO_BLANKS else r"[^\W\d_]{5,}", text) or ["premium"]
    lines = PHRASES["spam"][lang]
    return _filled(lambda: rng.choice(lines).format(word=rng.choice(words)), len(text), rng.choice([" ", "\n"]))


def boilerplate(text: str, lang: str, rng: random.Random) -> str:
    """Lines of menus, cookie notices and footers; every fourth is a piece of the passage, as of a list of links."""
    lines, words = PHRASES["furniture"][lang], text.split() if lang not in NO_BLANKS else re.findall(r"\S{4,8}", text)

    def line() -> str:
        start = rng.randrange(len(words))
        return " ".join(words[start : start + rng.randint(1, 4)]) if rng.random() < 0.25 else rng.choice(lines)

    return _filled(line, len(text), rng.choice(["\n", " | "]))


def fragments(text: str, _lang: str, rng: random.Random) -> str:
    """Pieces of the passage out of their order, each cut off inside a word, with dots behind."""
    flat = re.sub(r"\s+", " ", text)
    width = len(flat) // 12

    def piece() -> str:
        start = rng.randrange(len(flat) - width)
        return flat[start : start + rng.randint(max(8, width // 2), max(9, width))].strip() + rng.choice(
            ["...", "", "-"]
        )

    return _filled(piece, len(text), "\n")


def repeated(text: str, _lang: str, rng: random.Random) -> str:
    """One sentence of the passage, or its first 120 characters, again and again."""
    sentences = [s for s in re.split(r"(?<=[.!?。])\s*", text) if 25 <= len(s) <= 160] or [text[:120]]
    sentence = rng.choice(sentences)
    return _filled(lambda: sentence, len(text), " ")


MADE_BAD = {
    "shuffled": shuffled,
    "spam": spam,
    "boilerplate": boilerplate,
    "fragments": fragments,
    "repeated": repeated,
}


def _filled(line, length: int, between: str) -> str:
    """Lines until the text is as long as the passage: length gives nothing away."""
    lines = [line()]
    while sum(map(len, lines)) + len(between) * len(lines) < length:
        lines.append(line())
    return between.join(lines)[:LONGEST]


def gold() -> Iterator[GoldText]:
    """A good text and a bad one of each page, in an order that says nothing."""
    taken: Counter[str] = Counter()
    turns: Counter[tuple[str, bool]] = Counter()
    languages = load(LanguageConfig())
    for url, lang, paragraphs in pages():
        rng = _rng(url, "text")
        if taken[lang] == (ENGLISH_PAGES if lang == "en" else PAGES_A_LANGUAGE):
            continue
        text = passage(paragraphs, rng)
        # Some translations are half in English.
        if text is None or languages.identify([text])[0] != [normalise_code(lang)]:
            continue
        taken[lang] += 1
        group = group_of(url)
        part = ("choose", "held_out")[_rng(group, "part").randrange(2)]
        kinds = [name for name in MADE_BAD if lang in PHRASES["spam"] or name not in ("spam", "boilerplate")]
        place = (part, lang in PHRASES["spam"])
        made = kinds[turns[place] % len(kinds)]
        turns[place] += 1
        code = normalise_code(lang)
        for label, kind, shown in ((1.0, "page", text), (0.0, made, MADE_BAD[made](text, lang, rng))):
            name = hashlib.sha256(f"{url}:{kind}".encode()).hexdigest()[:12]
            yield GoldText(id=name, text=shown, label=label, lang=code, kind=kind, group=group, part=part)


def group_of(url: str) -> str:
    """The page, which is the same in all its languages: package and name of the file."""
    parts = [part for part in url.removeprefix(f"{SITE}/usr/share/").split("/") if part != "doc"]
    if parts[0] == "libreoffice":
        return "/".join(["libreoffice", *parts[3:]])
    return f"{parts[0]}/{re.sub(r'[.][a-z]{2}(?=[.]html$)', '', parts[-1])}"


def _rng(url: str, purpose: str) -> random.Random:
    return random.Random(hashlib.sha256(f"gold:{purpose}:{url}".encode()).digest())


def main() -> None:
    texts = sorted(gold(), key=lambda text: text.id)
    lines = "".join(text.model_dump_json() + "\n" for text in texts)
    SHIPPED.write_bytes(zstandard.ZstdCompressor(level=19).compress(lines.encode()))
    said = [f"{len(texts)} texts, {len(lines.encode()):,} bytes, {SHIPPED.stat().st_size:,} compressed"]
    for name in ("kind", "part", "lang"):
        counts = Counter(getattr(text, name) for text in texts)
        said.append(", ".join(f"{value} {number}" for value, number in counts.most_common()))
    packages = Counter(text.group.split("/")[0] for text in texts)
    said.append(", ".join(f"{value} {number}" for value, number in packages.most_common()))
    sys.stdout.write("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
