"""Ours beside NeMo Curator: the rules of `filters/nemo.py` value by value, and how fast."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import filters
from curate.text.words import provider
from filters import FILTERS
from filters.repetition import DUP_SIZES, TOP_SIZES
from tests.bench.filter_speed import ENGLISH, beside, sample
from tests.bench.filter_tables import Table, batch_of, within
from tests.bench.filter_texts import Texts, texts
from tests.bench.peer import NEMO

SCRIPT = Path(__file__).with_name("nemo_peer.py")
RULES = [name for name in FILTERS if name.startswith("nemo.")]
_LINE = "We have a line of words.\n"
EDGES = (
    "\u2022 one\n\u2023 two\n \u25e6 three\n" * 4, _LINE + "\u25cf one\n" * 9, _LINE + "\u29bf one\n" * 10, "- a\n" * 9,
    "A\u2026\nB [...]\nC (...)\nD [\u2026]\nE -\u00bb\nREAD MORE\nread more..\n", "No end\n" * 17 + "End.\n" * 3,
    "See http://porn.example.org/a. " + _LINE * 6, "See https://a.org/%70orn?porn and HTTP://porn.org. " + _LINE * 6,
    "http://a.org/%4 https://\u00e9.org http://https://b.org;c <http://d.org/e>" * 3, "{[(\u27e8a\u27e9)]} " * 9,
    "# ## #a #ab a# #a#b# ... \u2026 [...] read more -\u00bb " * 9, "\u0663\u0664 12 \u00b2\u00bd 3,4 " * 9,
    "the The THE to-day, and\tthat\x1chave\u3000with\x85be\u2028of", "\x08\x08 a\x0bb\x0cc\u00a0d\r\n" * 9,
    "x" * 1_000, "\u00e9" * 1_001, _LINE * 7 + "More ...\n" * 3,
)  # fmt: skip
"""Texts that these rules tell apart, beside the edge cases of all filters."""

STOPS_AT = {"nemo.porn_urls": 1.0, "nemo.common_words": 2.0}
"""NeMo counts no further; ours counts all."""

PIPELINE = [
    *(rule for rule in RULES if rule != "nemo.porn_urls"),
    "gopher.alpha_word_ratio",
    *(f"repetition.dup_{piece}_{share}" for piece in ("line", "paragraph") for share in ("ratio", "char_ratio")),
    *(f"repetition.top_{n}_gram_char_ratio" for n in TOP_SIZES),
    *(f"repetition.dup_{n}_gram_char_ratio" for n in DUP_SIZES),
]
"""Our counterparts, one each, of NeMo's English pipeline less its boilerplate filter."""


def equal() -> Table | None:
    """Values and decisions of each rule on all texts but those on which NeMo fails; None where it is not installed."""
    edges = pa.table({"text": EDGES, "lang": [ENGLISH] * len(EDGES)}, schema=texts().table.schema)
    given = Texts(pa.concat_tables([texts().table, edges]).combine_chunks(), texts().pages)
    peer = NEMO.decisions(SCRIPT, given.table)
    if peer is None:
        return None
    table = Table(
        [f"{'rule':42} {'compared':>8} {'greatest difference':>19} {'kept=':>6} {'dropped=':>8} {'wrong':>5} fails"]
    )
    batch = batch_of(given, provider())
    for rule in RULES:
        ours = filters.get(rule).measure(batch)
        passed = within(rule, ours)
        theirs = np.asarray(peer.column(rule + ".value").combine_chunks().fill_null(np.nan))
        kept = np.asarray(pc.fill_null(peer.column(rule + ".kept"), fill_value=False).combine_chunks())
        compared = ~np.isnan(theirs)
        difference = np.abs(np.minimum(ours, STOPS_AT.get(rule, np.inf)) - theirs)[compared]
        same = (passed == kept)[compared]
        table.share(difference <= 1e-9)
        table.share(same)
        both = (passed & kept & compared).sum(), (~passed & ~kept & compared).sum()
        table.lines.append(
            f"{rule:42} {compared.sum():8} {difference.max():19.1e} {both[0]:6} {both[1]:8} "
            f"{(~same).sum():5} {(~compared).sum():5}"
        )
    return table


def speed() -> None:
    """`filters.nemo`: what NeMo's English pipeline measures; then its rules that are `nemo.*` here, all and each."""
    theirs = NEMO.seconds(SCRIPT, sample(ENGLISH))
    if theirs is not None:
        beside("nemo", PIPELINE, NEMO.name, theirs["english"])
        beside("family.nemo", RULES, NEMO.name, theirs["family.nemo"])
        for rule in RULES:
            beside(rule, [rule], NEMO.name, theirs[f"rule.{rule}"])
