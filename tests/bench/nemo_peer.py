"""NeMo Curator's heuristic filters over texts: runs in its environment, started by `filter_nemo.py`, never imported.

    python nemo_peer.py decide TEXTS.parquet OUT.parquet
    python nemo_peer.py time TEXTS.parquet OUT.json

TEXTS has the column text. `decide` writes a row a text: the value of each rule and its decision at the default bounds,
both null where NeMo fails. `time` writes CPU seconds a rule, of all these rules, and of the English pipeline that comes
with the package, less the boilerplate filter; every filter sees every text, one at a time. Words are `str.split`'s.
"""

import json
import sys
import time
from importlib import import_module, resources

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from nemo_curator.stages.text.filters.heuristic import string

RULES = {
    "nemo.non_alphanumeric_ratio": string.NonAlphaNumericFilter,
    "nemo.digit_ratio": string.NumbersFilter,
    "nemo.url_ratio": string.UrlsFilter,
    "nemo.white_space_ratio": string.WhiteSpaceFilter,
    "nemo.parenthesis_ratio": string.ParenthesesFilter,
    "nemo.porn_urls": string.PornographicUrlsFilter,
    "nemo.word_count": string.WordCountFilter,
    "nemo.mean_word_length": string.MeanWordLengthFilter,
    "nemo.longest_word": string.LongWordFilter,
    "nemo.symbol_word_ratio": string.SymbolsToWordsFilter,
    "nemo.common_words": string.CommonEnglishWordsFilter,
    "nemo.bullet_line_ratio": string.BulletsFilter,
    "nemo.ellipsis_line_ratio": string.EllipsisFilter,
    "nemo.no_end_mark_ratio": string.PunctuationFilter,
}
PIPELINE = "heuristic_filter_english_pipeline.yaml"


def english():
    """The filters of the packaged pipeline, with its bounds."""
    text = resources.files("nemo_curator.config.text").joinpath(PIPELINE).read_text("utf-8")
    for stage in yaml.safe_load(text)["stages"]:
        knobs = dict(stage.get("filter_obj", {}))
        module, _, name = knobs.pop("_target_", "").rpartition(".")
        if name and name != "BoilerPlateStringFilter":
            yield getattr(import_module(module), name)(**knobs)


def result_of(rule, text):
    """(value, kept), both None where the filter fails: it has no words or no lines to divide by."""
    try:
        value = rule.score_document(text)
    except (ZeroDivisionError, ValueError):
        return None, None
    return float(value), bool(rule.keep_document(value))


def decide(source, target):
    texts = pq.read_table(source).column("text").to_pylist()
    columns = {}
    for name, made in RULES.items():
        found = [result_of(made(), text) for text in texts]
        columns[name + ".value"] = pa.array([value for value, _ in found], pa.float64())
        columns[name + ".kept"] = pa.array([kept for _, kept in found], pa.bool_())
    pq.write_table(pa.table(columns), target)


def seconds_of(rules, texts):
    began = time.process_time()
    for text in texts:
        for rule in rules:
            result_of(rule, text)
    return time.process_time() - began


def timed(source, target):
    """Least of three runs."""
    texts = pq.read_table(source).column("text").to_pylist()
    rules = {name: made() for name, made in RULES.items()}
    chosen = {"english": list(english()), "family.nemo": list(rules.values())}
    chosen |= {f"rule.{name}": [rule] for name, rule in rules.items()}
    seconds = {name: min(seconds_of(some, texts) for _ in range(3)) for name, some in chosen.items()}
    with open(target, "w") as out:
        json.dump(seconds, out)


if __name__ == "__main__":
    {"decide": decide, "time": timed}[sys.argv[1]](*sys.argv[2:])
