"""datatrove's filters over texts: runs in datatrove's environment, started by `filters.py`, never imported.

    python filters_peer.py decide TEXTS.parquet OUT.parquet
    python filters_peer.py time TEXTS.parquet OUT.json

TEXTS has the columns text and lang (`eng_Latn`). `decide` writes a row a text: datatrove's words as byte spans, for
each rule its decision (a filter object in which that rule alone is active; null where it raises or divides 0 by 0) and
its value, for each family the reason of the whole filter, C4's text and sentences, and the words of the lines that C4
cut citations from. Values that datatrove does not hand out are calculated anew from its own words, with its functions
where it has some. `time` writes seconds of one core a rule, a family and a language, tokenizer included.
"""

import json
import sys
import time
from itertools import accumulate

import datatrove.pipeline.filters.c4_filters as c4
import datatrove.pipeline.filters.fineweb_quality_filter as fineweb
import datatrove.pipeline.filters.gopher_quality_filter as quality
import datatrove.pipeline.filters.gopher_repetition_filter as repetition
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION
from datatrove.utils.word_tokenizers import load_word_tokenizer

QUALITY = {
    "gopher.word_count": {"min_doc_words": 50, "max_doc_words": 100_000},
    "gopher.mean_word_length": {"min_avg_word_length": 3, "max_avg_word_length": 10},
    "gopher.hash_ratio": {"max_symbol_word_ratio": 0.1},
    "gopher.ellipsis_ratio": {"max_symbol_word_ratio": 0.1},
    "gopher.bullet_line_ratio": {"max_bullet_lines_ratio": 0.9},
    "gopher.ellipsis_line_ratio": {"max_ellipsis_lines_ratio": 0.3},
    "gopher.alpha_word_ratio": {"max_non_alpha_words_ratio": 0.8},
    "gopher.stop_words": {"min_stop_words": 2},
}
REPETITION = {
    "repetition.dup_line_ratio": {"dup_line_frac": 0.3},
    "repetition.dup_line_char_ratio": {"dup_line_char_frac": 0.2},
    "repetition.dup_paragraph_ratio": {"dup_para_frac": 0.3},
    "repetition.dup_paragraph_char_ratio": {"dup_para_char_frac": 0.2},
    **{f"repetition.top_{n}_gram_char_ratio": {"top_n_grams": ((n, f),)} for n, f in ((2, 0.2), (3, 0.18), (4, 0.16))},
    **{
        f"repetition.dup_{n}_gram_char_ratio": {"dup_n_grams": ((n, f),)}
        for n, f in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    },
}
FINEWEB = {
    "fineweb.line_punct_ratio": {"line_punct_thr": 0.12},
    "fineweb.short_line_ratio": {"short_line_thr": 0.67},
    "fineweb.char_dup_ratio": {"char_duplicates_ratio": 0.01},
    "fineweb.new_line_ratio": {"new_line_ratio": 0.3},
}
# Citations, and what drops lines, stay as they are: they say which lines a rule looks at.
C4 = {
    "c4.lorem_ipsum": {"filter_curly_bracket": False, "min_num_sentences": -1},
    "c4.curly_bracket": {"filter_lorem_ipsum": False, "min_num_sentences": -1},
    "c4.sentences": {},
}
# FineWeb left out the rule of terminal punctuation; each rule of C4 is looked at both ways.
C4_VARIANTS = {"": True, "+terminal_punct=False": False}
OFF = {
    quality.GopherQualityFilter: dict.fromkeys([key for knobs in QUALITY.values() for key in knobs]),
    repetition.GopherRepetitionFilter: dict.fromkeys(["dup_line_frac", "dup_line_char_frac", "dup_para_frac"])
    | {"dup_para_char_frac": None, "top_n_grams": (), "dup_n_grams": ()},
    fineweb.FineWebQualityFilter: {"line_punct_thr": 0, "short_line_thr": 1, "char_duplicates_ratio": float("inf")}
    | {"new_line_ratio": float("inf")},
    c4.C4QualityFilter: {},
}
FAMILIES = {
    "gopher": quality.GopherQualityFilter,
    "repetition": repetition.GopherRepetitionFilter,
    "c4": c4.C4QualityFilter,
    "fineweb": fineweb.FineWebQualityFilter,
}


def rules_of(lang):
    """Name -> filter in which that rule alone is active."""
    found = {}
    for rules, kind in zip((QUALITY, REPETITION, FINEWEB), (0, 1, 3), strict=True):
        made = list(FAMILIES.values())[kind]
        found |= {name: made(**(OFF[made] | knobs), language=lang) for name, knobs in rules.items()}
    for variant, terminal in C4_VARIANTS.items():
        for name, knobs in C4.items():
            knobs = {**knobs, "filter_no_terminal_punct": terminal}
            found[name + variant] = c4.C4QualityFilter(**knobs, language=lang)
    return found


def result_of(rule, text):
    """(kept, reason, text left); kept is None where the filter fails."""
    document = Document(text=text, id="0", metadata={})
    try:
        with np.errstate(invalid="ignore"):
            result = rule.filter(document)
    except ZeroDivisionError:
        return None, "division by zero", None
    kept, reason = result if isinstance(result, tuple) else (result, None)
    return bool(kept), reason, document.text


def share(part, whole):
    return part / whole if whole else None


def values_of(text, words):
    """What each rule compares with its bound; None where datatrove divides by zero or does not come so far."""
    plain = [word for word in words if any(char not in PUNCTUATION_SET for char in word)]
    lines, paragraphs = text.splitlines(), repetition.re.split(r"\n{2,}", text.strip())
    rows = [line for line in text.split("\n") if line.strip() != ""]
    chars = len(text)
    values = {
        "gopher.word_count": len(plain),
        "gopher.mean_word_length": float(np.mean([len(word) for word in plain])) if plain else None,
        "gopher.hash_ratio": share(text.count("#"), len(words)),
        "gopher.ellipsis_ratio": share(text.count("...") + text.count("…"), len(words)),
        "gopher.bullet_line_ratio": share(sum(line.lstrip().startswith(("•", "-")) for line in lines), len(lines)),
        "gopher.ellipsis_line_ratio": share(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "gopher.alpha_word_ratio": share(sum(any(c.isalpha() for c in word) for word in words), len(words)),
        "gopher.stop_words": len(set(quality.STOP_WORDS) & set(words)),
        "fineweb.line_punct_ratio": share(sum(row.endswith(tuple(TERMINAL_PUNCTUATION)) for row in rows), len(rows)),
        "fineweb.short_line_ratio": share(sum(len(row) <= 30 for row in rows), len(rows)),
        "fineweb.char_dup_ratio": share(repetition.find_duplicates(rows)[1], len(text.replace("\n", ""))),
        "fineweb.new_line_ratio": share(text.count("\n"), len(words)) if rows else None,
    }
    if not rows:
        values["fineweb.char_dup_ratio"] = None
    for pieces, name in ((paragraphs, "paragraph"), (repetition.re.split("\n+", text), "line")):
        copies, characters = repetition.find_duplicates(pieces)
        values[f"repetition.dup_{name}_ratio"] = share(copies, len(pieces)) if text else None
        values[f"repetition.dup_{name}_char_ratio"] = share(characters, chars)
    for n in (2, 3, 4):
        grams = repetition.get_n_grams(words, n)
        values[f"repetition.top_{n}_gram_char_ratio"] = share(
            repetition.find_top_duplicate(grams) if grams else 0, chars
        )
    for n in range(5, 11):
        values[f"repetition.dup_{n}_gram_char_ratio"] = share(repetition.find_all_duplicate(words, n), chars)
    return values


def spans_of(tokenizer, text):
    """(words as datatrove has them, start and end of each in bytes): flat int32."""
    widths = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    widths = 1 + (widths >= 0x80).astype(np.int64) + (widths >= 0x800) + (widths >= 0x10000)
    at = np.fromiter(accumulate(widths.tolist(), initial=0), np.int64, len(widths) + 1)
    words = tokenizer.word_tokenize(text) if text else []
    spans, end = [], 0
    if type(tokenizer).__name__ == "KiwiTokenizer":  # its words may share characters
        for token in tokenizer.tokenizer.tokenize(tokenizer.preprocess(text)) if text else []:
            word = text[token.start : token.end]
            if word.strip():
                start = token.start + len(word) - len(word.lstrip())
                spans += [at[start], at[start + len(word.strip())]]
        return words, spans
    for word in words:
        start = text.index(word, end)
        end = start + len(word)
        spans += [at[start], at[end]]
    return words, spans


class Sentences:
    """Counts the sentences that C4 counts."""

    def __init__(self):
        self.count, self.split = 0, c4.split_into_sentences
        c4.split_into_sentences = self

    def __call__(self, text, language):
        found = self.split(text, language)
        self.count += len(found)
        return found


def decided(text, rules, families, words, sentences):
    """Decisions, values and reasons of one text, whose words are known."""
    row = {"values": values_of(text, words), "kept": {}, "left": {}}
    for name, rule in rules.items():
        sentences.count = 0
        kept, reason, left = result_of(rule, text)
        if name == "gopher.hash_ratio" and kept is not None:
            kept = reason != "gopher_too_many_hashes"
        if name == "gopher.ellipsis_ratio" and kept is not None:
            # One knob bounds both ratios and hashes come first: without them, ellipses decide.
            kept, reason, left = result_of(rule, text.replace("#", " "))
        if name.startswith("c4.sentences"):
            row["values"][name] = sentences.count
            if reason in ("lorem_ipsum", "curly_bracket"):  # it stopped counting there
                kept = row["values"][name] = None
            row["left"][name] = left if kept else None
        row["kept"][name] = kept
    row["reasons"] = {name: result_of(rule, text)[1] for name, rule in families.items()}
    return row


def without_citations(tokenizer, text):
    """The lines of C4 that lost citations, with the words of what remains."""
    for line in map(str.strip, text.splitlines()):
        uncited = c4.CITATION_REGEX.sub("", line)
        if uncited != line:
            yield {"text": uncited, "spans": spans_of(tokenizer, uncited)[1]}


def decide(source, target):
    rows, known, sentences = [], {}, Sentences()
    for text, lang in zip(*(pq.read_table(source).column(name).to_pylist() for name in ("text", "lang")), strict=True):
        if lang not in known:
            known[lang] = rules_of(lang), {name: made(language=lang) for name, made in FAMILIES.items()}
        tokenizer = load_word_tokenizer(lang)
        words, spans = spans_of(tokenizer, text)
        for module in (quality, repetition, fineweb):
            module.split_into_words = lambda _text, _language, words=words: words
        row = decided(text, *known[lang], words, sentences)
        rows.append(row | {"spans": spans, "uncited": list(without_citations(tokenizer, text))})
    names = sorted({name for row in rows for name in row["kept"]})
    schema = pa.schema(
        [
            ("spans", pa.list_(pa.int32())),
            ("kept", pa.struct([(name, pa.bool_()) for name in names])),
            ("values", pa.struct([(name, pa.float64()) for name in names])),
            ("reasons", pa.struct([(name, pa.string()) for name in FAMILIES])),
            ("left", pa.struct([("c4.sentences" + v, pa.large_string()) for v in C4_VARIANTS])),
            ("uncited", pa.list_(pa.struct([("text", pa.string()), ("spans", pa.list_(pa.int32()))]))),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), target)


def seconds_of(rules, texts):
    began = time.process_time()
    for text in texts:
        for rule in rules:
            result_of(rule, text)
    return time.process_time() - began


def timed(source, target):
    """Each family as a pipeline runs it, one text at a time: datatrove keeps the words of the last texts."""
    table = pq.read_table(source)
    texts: dict[str, list[str]] = {}
    for text, lang in zip(table.column("text").to_pylist(), table.column("lang").to_pylist(), strict=True):
        texts.setdefault(lang, []).append(text)
    seconds: dict[str, float] = {}
    for lang, mine in texts.items():
        families = {name: made(language=lang) for name, made in FAMILIES.items()}
        seconds_of(families.values(), mine[:1])  # loads the tokenizer
        seconds[f"language.{lang}"] = seconds_of(families.values(), mine)
        if lang == "eng_Latn":
            seconds |= {f"family.{name}": seconds_of([rule], mine) for name, rule in families.items()}
            seconds |= {f"rule.{name}": seconds_of([rule], mine) for name, rule in rules_of(lang).items()}
    with open(target, "w") as out:
        json.dump(seconds, out)


if __name__ == "__main__":
    {"decide": decide, "time": timed}[sys.argv[1]](*sys.argv[2:])
