"""Two exactness tables: our rules on datatrove's words, and our words end to end, against datatrove's decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import filters
from curate.text.buffers import text_array, text_buffers
from filters import Spans, TextBatch, WordProvider
from tests.bench.filter_texts import GOALS, REPORTED, Texts
from tests.bench.peer import DATATROVE

SCRIPT = Path(__file__).with_name("filters_peer.py")
LOOSE = "+terminal_punct=False"
"""Ending of a rule of C4 that is measured without its rule of terminal punctuation, as FineWeb did."""

OF_WORDS = (
    *("gopher." + n for n in ("word_count", "mean_word_length", "hash_ratio", "ellipsis_ratio", "alpha_word_ratio")),
    "gopher.stop_words", *(f"repetition.top_{n}_gram_char_ratio" for n in (2, 3, 4)),
    *(f"repetition.dup_{n}_gram_char_ratio" for n in range(5, 11)), "c4.sentences", "fineweb.new_line_ratio",
)  # fmt: skip
"""Rules whose values hang on the words."""

REASONS = {
    "gopher_short_doc": "gopher.word_count", "gopher_long_doc": "gopher.word_count",
    "gopher_below_avg_threshold": "gopher.mean_word_length", "gopher_above_avg_threshold": "gopher.mean_word_length",
    "gopher_too_many_hashes": "gopher.hash_ratio", "gopher_too_many_ellipsis": "gopher.ellipsis_ratio",
    "gopher_too_many_bullets": "gopher.bullet_line_ratio",
    "gopher_too_many_end_ellipsis": "gopher.ellipsis_line_ratio",
    "gopher_below_alpha_threshold": "gopher.alpha_word_ratio", "gopher_enough_stop_words": "gopher.stop_words",
    "dup_para_frac": "repetition.dup_paragraph_ratio", "dup_para_char_frac": "repetition.dup_paragraph_char_ratio",
    "dup_line_frac": "repetition.dup_line_ratio", "dup_line_char_frac": "repetition.dup_line_char_ratio",
    **{f"top_{n}_gram": f"repetition.top_{n}_gram_char_ratio" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"repetition.dup_{n}_gram_char_ratio" for n in range(5, 11)},
    "line_punct_ratio": "fineweb.line_punct_ratio", "short_line_ratio": "fineweb.short_line_ratio",
    "char_dup_ratio": "fineweb.char_dup_ratio", "list_ratio": "fineweb.new_line_ratio",
    "lorem_ipsum": "c4.lorem_ipsum", "curly_bracket": "c4.curly_bracket", "too_few_sentences": "c4.sentences",
}  # fmt: skip
"""datatrove's reason -> our rule, in the order in which datatrove asks."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decisions:
    """What datatrove decided, a row a text."""

    table: pa.Table

    def values(self, rule: str) -> Floats:
        """float64[texts]; NaN where datatrove has no value."""
        column = self.table.column("values").combine_chunks()
        names = [column.type.field(i).name for i in range(column.type.num_fields)]
        if rule not in names:
            return np.full(len(self.table), np.nan)
        return np.asarray(column.field(rule).fill_null(np.nan))

    def kept(self, rule: str) -> tuple[Flags, Flags]:
        """(decision, whether there is one) of the rule alone: bool[texts]."""
        column = self.table.column("kept").combine_chunks().field(rule)
        return np.asarray(pc.fill_null(column, fill_value=False)), np.asarray(column.is_valid())

    def reasons(self, family: str) -> list[str | None]:
        """Why the whole filter dropped each text; None for one that it kept."""
        found: list[str | None] = self.table.column("reasons").combine_chunks().field(family).to_pylist()
        return found

    def left(self, rule: str) -> list[str | None]:
        """C4's text where it kept the document."""
        found: list[str | None] = self.table.column("left").combine_chunks().field(rule).to_pylist()
        return found


def decisions(texts: Texts) -> Decisions | None:
    """datatrove's decisions; None without its environment."""
    table = DATATROVE.decisions(SCRIPT, texts.table)
    return None if table is None else Decisions(table)


@dataclass(frozen=True)
class GivenWords:
    """datatrove's words, looked up by language and text."""

    known: Mapping[tuple[str, str], Sequence[int]]
    name: str = "datatrove"
    version: int = 1

    @classmethod
    def of(cls, texts: Texts, peer: Decisions) -> "GivenWords":
        """Words of the texts, and of their lines that C4 cut citations from."""
        columns = (
            texts.table.column("text"),
            texts.table.column("lang"),
            *map(peer.table.column, ("spans", "uncited")),
        )
        known: dict[tuple[str, str], Sequence[int]] = {}
        for text, lang, spans, uncited in zip(*(column.to_pylist() for column in columns), strict=True):
            known[lang, text] = spans
            known |= {(lang, line["text"]): line["spans"] for line in uncited}
        return cls(known)

    def words(self, batch: TextBatch, /) -> Spans:
        """Raises KeyError for a text that datatrove was not asked about."""
        documents = text_array(batch.data, batch.offsets).to_pylist()
        found = [self.known[key] if key[1] else [] for key in zip(batch.langs, documents, strict=True)]
        flat = np.concatenate(
            [np.array(each, np.int64) + at for each, at in zip(found, batch.offsets, strict=False)]
            or [np.zeros(0, np.int64)]
        )
        first = np.cumsum([0, *(len(each) // 2 for each in found)], dtype=np.int64)
        return Spans(flat[0::2].copy(), flat[1::2].copy(), first)


def batch_of(texts: Texts, words: WordProvider) -> TextBatch:
    """All texts as one batch."""
    return TextBatch(*text_buffers(texts.table.column("text")), texts.table.column("lang").to_pylist(), words)


def measured(batch: TextBatch, rule: str) -> Floats:
    """Our values of a rule, `+terminal_punct=False` understood."""
    knobs = {"terminal_punct": False} if rule.endswith(LOOSE) else {}
    return filters.get(rule.removesuffix(LOOSE)).measure(batch, **knobs)


def within(rule: str, values: Floats) -> Flags:
    """Whether values are within the rule's default bounds."""
    bounds = filters.get(rule.removesuffix(LOOSE)).default
    low = -np.inf if bounds.min is None else bounds.min
    high = np.inf if bounds.max is None else bounds.max
    return (values >= low) & (values <= high)


@dataclass
class Table:
    """Lines to print, and the lowest share in them."""

    lines: list[str] = field(default_factory=list)
    lowest: float = 1.0

    def share(self, equal: Flags) -> float:
        """The share that is equal, taken into account; 1.0 of nothing."""
        found = float(equal.mean()) if len(equal) else 1.0
        self.lowest = min(self.lowest, found)
        return found


def rules_table(texts: Texts, peer: Decisions) -> Table:
    """Our rules on datatrove's words: values, decisions of each rule alone, reasons of each family, C4's text."""
    table = Table(
        [f"{'rule':42} {'compared':>8} {'greatest difference':>19} {'kept=':>6} {'dropped=':>8} {'wrong':>5} apart"]
    )
    batch = batch_of(texts, GivenWords.of(texts, peer))
    langs = np.array(batch.langs)
    passed = {}
    loose = [f"c4.{name}{LOOSE}" for name in ("lorem_ipsum", "curly_bracket", "sentences")]
    for rule in (*dict.fromkeys(REASONS.values()), *loose):
        ours = measured(batch, rule)
        passed[rule] = within(rule, ours)
        kept, compared = peer.kept(rule)
        # Kiwi splits Korean into sentences; ours are spaCy's, so there is nothing to give the same words to.
        compared &= (langs != "kor_Hang") | (not rule.startswith("c4.sentences"))
        theirs = peer.values(rule)
        valued = compared & ~np.isnan(theirs)
        compared &= valued | np.isnan(theirs).all()
        equal = (passed[rule] == kept)[compared]
        far = np.abs(ours - theirs)[valued].max(initial=0.0)
        table.share(equal)
        table.share((np.abs(ours - theirs) <= 1e-9)[valued])
        both = (passed[rule] & kept & compared).sum(), (~passed[rule] & ~kept & compared).sum()
        table.lines.append(
            f"{rule:42} {compared.sum():8} {far if valued.any() else float('nan'):19.1e} {both[0]:6} {both[1]:8} "
            f"{(~equal).sum():5} {(~compared).sum():5}"
        )
    for family in ("gopher", "repetition", "fineweb", "c4"):
        wrong = _wrong_reasons(peer.reasons(family), passed, family, langs)
        table.share(~wrong)
        table.lines.append(f"{family + ': reason of the whole filter':42} {len(wrong):8} {'':35} {wrong.sum():5}")
    for variant in ("", LOOSE):
        wrong = _wrong_texts(batch, peer.left("c4.sentences" + variant), terminal_punct=not variant)
        table.share(~wrong)
        table.lines.append(f"{'c4.clean' + variant + ': the text':42} {len(wrong):8} {'':35} {wrong.sum():5}")
    return table


def _wrong_reasons(reasons: Sequence[str | None], passed: Mapping[str, Flags], family: str, langs: Any) -> Flags:
    """Texts whose first failing rule is another one. C4 stops at the first line that fails, so there any will do."""
    rules = [rule for rule in dict.fromkeys(REASONS.values()) if rule.startswith(family)]
    wrong = np.zeros(len(reasons), np.bool_)
    for i, reason in enumerate(reasons):
        failing = [rule for rule in rules if not passed[rule][i]]
        if family == "c4" and langs[i] == "kor_Hang":
            failing = [rule for rule in failing if rule != "c4.sentences"]
            reason = None if reason == "too_few_sentences" else reason
        if reason is None or reason == "empty":
            wrong[i] = bool(failing) != (reason == "empty")
        else:
            wrong[i] = REASONS[reason] not in (failing if family == "c4" else failing[:1])
    return wrong


def _wrong_texts(batch: TextBatch, left: Sequence[str | None], *, terminal_punct: bool) -> Flags:
    cleaned = filters.get_transform("c4.clean").apply(batch, terminal_punct=terminal_punct)
    ours = text_array(cleaned.data, cleaned.offsets).to_pylist()
    pairs = [(a, b) for a, b in zip(ours, left, strict=True) if b is not None]
    return np.array([a != b for a, b in pairs], np.bool_)


@dataclass(frozen=True)
class Cell:
    """A rule in a language, in shares of the documents; near: those whose value is within 10 % of a bound."""

    equal: float
    majority: float
    num_near: int
    near: float


def tokens_table(texts: Texts, peer: Decisions, words: WordProvider) -> tuple[Table, Table]:
    """Our words end to end: (all documents, those near a bound); edge cases are not counted."""
    batch = batch_of(texts, words)
    langs = np.array(batch.langs)
    real = np.arange(len(langs)) < texts.pages
    cells: dict[tuple[str, str], Cell] = {}
    for rule in OF_WORDS:
        ours = within(rule, measured(batch, rule))
        kept, decided = peer.kept(rule)
        close = _close(rule, peer.values(rule))
        for lang in (*GOALS, *REPORTED):
            chosen = real & decided & (langs == lang)
            near = chosen & close
            equal = ours == kept
            rate = float(kept[chosen].mean())
            cells[rule, lang] = Cell(
                float(equal[chosen].mean()),
                max(rate, 1 - rate),
                int(near.sum()),
                float(equal[near].mean()) if near.any() else 1.0,
            )
    head = f"{'rule':36}" + "".join(f"{lang[:3]:>15}" for lang in (*GOALS, *REPORTED))
    whole, near_bound = Table([head]), Table([head])
    for rule in OF_WORDS:
        row = [cells[rule, lang] for lang in (*GOALS, *REPORTED)]
        whole.lines.append(f"{rule:36}" + "".join(f"{_percent(c.equal):>8} ({c.majority:4.0%})" for c in row))
        near_bound.lines.append(f"{rule:36}" + "".join(f"{_percent(c.near):>8} ({c.num_near:4})" for c in row))
        for cell in row[: len(GOALS)]:
            whole.lowest = min(whole.lowest, cell.equal)
            near_bound.lowest = min(near_bound.lowest, cell.near)
    shares = _equal_words(batch, batch_of(texts, GivenWords.of(texts, peer)), langs, real)
    whole.lines.append(f"{'words equal':36}" + "".join(f"{_percent(shares[lang]):>15}" for lang in (*GOALS, *REPORTED)))
    return whole, near_bound


def _close(rule: str, values: Floats) -> Flags:
    bounds = filters.get(rule).default
    return np.any(
        [np.abs(values - bound) <= 0.1 * abs(bound) for bound in (bounds.min, bounds.max) if bound is not None], axis=0
    )


def _equal_words(ours: TextBatch, theirs: TextBatch, langs: Any, real: Flags) -> dict[str, float]:
    """Share of the words of both that are words of both, by language."""
    found = {}
    for lang in (*GOALS, *REPORTED):
        common = total = 0
        for i in np.flatnonzero(real & (langs == lang)):
            a, b = (_spans(batch.words, i) for batch in (ours, theirs))
            common += 2 * len(a & b)
            total += len(a) + len(b)
        found[lang] = common / max(total, 1)
    return found


def _spans(words: Spans, document: int) -> set[tuple[int, int]]:
    mine = slice(words.first[document], words.first[document + 1])
    return set(zip(words.start[mine].tolist(), words.end[mine].tolist(), strict=True))


def _percent(share: float) -> str:
    """Cut, not rounded: 100.0 means all."""
    return f"{np.floor(1000 * share) / 10:.1f}"
