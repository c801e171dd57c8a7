"""Texts on which filters are compared with datatrove's: pages of the reference corpus, and edge cases a language."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from curate.config import ExtractConfig
from curate.text.language_codes import normalise_code
from curate.text.plain import html_to_text, normalise
from tests.bench.corpus import corpus, html_pages

PAGES = 6_000
"""The first pages of the corpus's order, which is by hash: 25 languages, each of the 12 large ones with 420 or more."""

GOALS = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "ita_Latn", "por_Latn", "rus_Cyrl", "pol_Latn", "ces_Latn")
"""Languages with spaces, whose words are to be datatrove's."""

REPORTED = ("jpn_Jpan", "cmn_Hani", "kor_Hang")
"""Languages without a goal: a word here is a character, there what a dictionary knows."""

LEFT_OUT = ("vie_Latn",)
"""Datatrove needs a further library for it; 17 pages."""

_PLAIN = "The cat sat on the mat, and that was all there was to be seen of it. We have looked with care."
EDGES = (
    "", " ", "\n", " \n\t\u3000\r\n ", "word", "word\n", "...", "# # #", "#" * 60, "!?!? ... \u2026 -- ,,, ;;;",
    "x" * 3_000, ("y" * 1_001 + " and more words stand here.\n") * 3, "\u2022 a\n- b\n\u2022 c\n- d\n",
    "one two three...\nfour five six\u2026\nseven eight nine.", "\n".join(["same line here."] * 9),
    "\n\n".join(["A paragraph that is the same."] * 5), "a b " * 60, "a b c d e f g h i j k l " * 12,
    "a\nb\rc\r\nd\x0be\x0cf\x1cg\x1dh\x1ei\x85j\u2028k\u2029l",
    "\n".join(f"{sep}line {sep} of words." for sep in "\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029\u00a0\u200b\ufeff"),
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd. " * 30,
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u061f " * 30,
    "e\u0301a\u0300o\u0308 n\u0303 " * 30,
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e\u0964 " * 30,
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea " * 20,
    "zero\u200bwidth\u200djoin\u2060er " * 30,
    "lorem ipsum dolor sit amet.\n" * 5, "Heading lorem ipsum\n" + "A line of words here.\n" * 6,
    "function { return; }\n" + "A line of words here.\n" * 6, "We have { one here.\n" + "A line of words here.\n" * 6,
    "Please enable javascript to go on.\n" + "A line of words here.\n" * 6,
    "This site uses cookies and our privacy policy.\n" + "A line of words here.\n" * 6,
    "Cited [1] and [edit] and [citation needed] and [] here.\n" * 6,
    "[12] two words.\n" * 6, "a [1].\n\"b c d\"\n'e f g'\n" * 6,
    "One. Two! Three? Four... Five.) (Six.) \"Seven.\" Eight", "No. 1 is e.g. the U.S. vs. Mr. Smith, i.e. 5 p.m. " * 8,
    "don't can't won't it's we'll they've I'm you'd cannot gonna id " * 8,
    "5kg 10km/h $5 5$ 50% 1,000 3.14 1-2 a-b a/b A.B a.B " * 8,
    "http://example.org/a?b=c#d www.example.com me@example.org ftp://x.y:80/z C++ :) ;-) <3 " * 8,
    "l'homme qu'il aujourd'hui d'abord dell'arte c'\u00e8 Rock\u2019n\u2019roll \u00abmot\u00bb \u201ewort\u201c " * 8,
    "\n".join([_PLAIN] * 3 + [_PLAIN + " Again."] * 3), (_PLAIN + "\n\n") * 20, _PLAIN * 3,
)  # fmt: skip


@dataclass(frozen=True)
class Texts:
    """Texts with their languages; pages first."""

    table: pa.Table
    """text (large_string) and lang (`eng_Latn`)."""

    pages: int


@cache
def texts(pages: int = PAGES) -> Texts:
    """The pages that have text, as extraction makes it, and the edge cases once a language."""
    table = _extracted(corpus(pages=pages).folder)
    langs = [lang for lang in (*GOALS, *REPORTED) for _ in EDGES]
    edges = pa.table({"text": list(EDGES) * (len(GOALS) + len(REPORTED)), "lang": langs}, schema=table.schema)
    return Texts(pa.concat_tables([table, edges]).combine_chunks(), table.num_rows)


def _extracted(folder: Path) -> pa.Table:
    truth = [json.loads(line) for line in (folder / "truth.jsonl").read_text("utf-8").splitlines()]
    language = {row["url"]: normalise_code(row["lang"]) for row in truth}
    rows = []
    for url, html in html_pages(folder):
        found = html_to_text(html, "utf-8", ExtractConfig())
        if language[url] in LEFT_OUT:
            continue
        if isinstance(found, str) and (text := normalise(found)).strip():
            rows.append((text, language[url]))
    schema = pa.schema([("text", pa.large_string()), ("lang", pa.string())])
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=schema)
