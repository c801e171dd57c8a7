"""Writes filters/data/word_rules.txt from spaCy's tables: runs in datatrove's environment, never imported.

    ~/.cache/curate/bench/datatrove-0.10.1/bin/python tests/bench/word_rules_peer.py filters/data/word_rules.txt

Character classes as hexadecimal ranges, then lists of strings: a line is a name (or several with commas), a tab, and
the pieces that the string is cut into with tabs between. Lists named by a language are spaCy's tokenizer exceptions.
"""

import re
import sys
from itertools import product

import spacy
from spacy.lang import char_classes
from spacy.lang.fr.punctuation import _hyphen_suffixes
from spacy.lang.fr.tokenizer_exceptions import _elision_prefix, _hyphen_combination, _hyphen_prefix

try:
    from re import _parser as parser  # Python 3.11
except ImportError:
    import sre_parse as parser

CLASSES = {
    "alpha": f"[{char_classes.ALPHA}]",
    "lower": f"[{char_classes.ALPHA_LOWER}]",
    "upper": f"[{char_classes.ALPHA_UPPER}]",
    "punct": "|".join(char_classes.LIST_PUNCT),
    "quote": "|".join(char_classes.LIST_QUOTES),
    "icon": f"[{char_classes.ICONS}]",
    "currency": "|".join(char_classes.LIST_CURRENCY),
    "word": r"\w",
}
LANGUAGES = {"*": "xx", "eng": "en", "deu": "de", "fra": "fr", "spa": "es", "ita": "it", "por": "pt", "rus": "ru"}
LANGUAGES |= {"pol": "pl"}


def ranges(pattern):
    one = re.compile(pattern)
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and one.fullmatch(chr(c))]
    runs = []
    for c in points:
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    return " ".join(f"{a:04X}" if a == b else f"{a:04X}-{b:04X}" for a, b in runs)


def strings(tree):
    """All strings of a pattern without unbounded repeats."""
    options = []
    for kind, value in tree:
        name = str(kind)
        if name == "LITERAL":
            options.append([chr(value)])
        elif name == "IN":
            options.append([chr(v) for _, v in value])
        elif name == "MAX_REPEAT":
            low, high, inner = value
            options.append([s for n in range(low, high + 1) for s in map("".join, product(strings(inner), repeat=n))])
        elif name == "SUBPATTERN":
            options.append(strings(value[-1]))
        elif name == "BRANCH":
            options.append([s for branch in value[1] for s in strings(branch)])
        else:
            raise ValueError(name)
    return ["".join(parts) for parts in product(*options)]


def cased(patterns):
    found = {s for pattern in patterns for s in strings(parser.parse(pattern)) if " " not in s}
    return sorted({form for s in found for form in (s.lower(), s.upper(), s.capitalize())})


def main(target):
    lists = {}
    for ours, theirs in LANGUAGES.items():
        for key, pieces in spacy.blank(theirs).tokenizer.rules.items():
            if not any(char.isspace() for char in key):
                texts = tuple(
                    piece[spacy.symbols.ORTH] if spacy.symbols.ORTH in piece else piece["ORTH"] for piece in pieces
                )
                lists.setdefault(texts, []).append(ours)
    fixed = {
        "unit": [*char_classes.LIST_UNITS, *(c.replace("\\", "") for c in char_classes.LIST_CURRENCY)],
        "fra-pronoun": _hyphen_suffixes.split(),
        "fra-hyphen": cased(_hyphen_prefix),
        "fra-elision": cased(_elision_prefix),
        "fra-between": cased(_hyphen_combination),
        "pol-prefix": ["długo", "krótko", "jedno", "dwu", "trzy", "cztero"],
    }
    for name, words in fixed.items():
        for word in dict.fromkeys(words):
            lists.setdefault((word,), []).append(name)
    with open(target, "w", encoding="utf-8") as out:
        out.write(f"# Tables of spaCy {spacy.__version__} (MIT License, Copyright (C) ExplosionAI GmbH and others),\n")
        out.write("# written by tests/bench/word_rules_peer.py: change the script, not this file.\n")
        for name, pattern in CLASSES.items():
            out.write(f"class {name}\t{ranges(pattern)}\n")
        for pieces, names in sorted(lists.items()):
            out.write(",".join(sorted(names)) + "\t" + "\t".join(pieces) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
