"""What is warned of in a config that loads: each mistake planted, each finding with its line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import filters
from curate.config.file import load
from curate.errors import ConfigError
from curate.lint import FEW, NEVER_ABOVE, lint, lint_sample, located
from curate.sample import measured_sample
from filters import TextBatch
from flows.cli import app

HEAD = "name: t\ninputs: [{source: s, uri: a.jsonl}]\noutput: o\nwork: w\nmeasure:\n"
FIRST = 6
"""Line of the first entry of `measure`."""

ALPHA, LENGTH = "gopher.alpha_word_ratio", "gopher.mean_word_length"


def findings(folder: Path, measure: list[str], rest: str = "") -> list[str]:
    path = folder / "run.yaml"
    path.write_text(HEAD + "".join(f"  - {{{entry}}}\n" for entry in measure) + rest)
    return [line.removeprefix(f"{folder}/run.yaml:") for line in located(lint(load(path)), path)]


@pytest.mark.parametrize(
    ("measure", "line", "said"),
    [
        ([f"filter: {ALPHA}, keep: {{min: 0, max: 0.9}}"], 0,
         [f"measure.0 {ALPHA} keep.min: min 0 never removes", "leave"]),
        ([f"filter: {ALPHA}, keep: {{min: 0.1, max: 1}}"], 0,
         [f"measure.0 {ALPHA} keep.max: ", "beyond 1; leave max out"]),
        (["filter: length.words, keep: {min: 0}"], 0, ["measure.0 length.words keep.min: ", "min 0 never removes"]),
        (["filter: gopher.stop_words, keep: {max: 8}"], 0, ["max 8 never removes a document"]),
        (["filter: length.words, keep: {keep_fraction: 1}"], 0, ["keep_fraction 1 keeps every document"]),
        (["filter: length.words, keep: {keep_fraction: 0}"], 0, ["keep_fraction 0 keeps no document"]),
        (["filter: length.bytes, keep: {min: 50}", "filter: length.characters, keep: {min: 60}"], 0,
         ["measure.0 length.bytes keep.min: ", "length.characters with min 60 (measure.1) removes as well: length.ch"]),
        (["filter: length.bytes, keep: {max: 50}", "filter: length.characters, keep: {max: 60}"], 1,
         ["measure.1 length.characters keep.max: ", "length.bytes with max 50 (measure.0) removes as well",
          "loosen the other"]),
        (["filter: length.words", "transform: c4.clean", "filter: c4.sentences, keep: {min: 5}"], 2,
         ["measure.2 c4.sentences filter: ", "the text before c4.clean (measure.1)", "move it above measure.1"]),
        (["transform: pii.mask", "filter: pii.emails, keep: {max: 3}"], 1, ["before pii.mask (measure.0)"]),
        (["transform: pii.mask, params: {kinds: [ipv4, phone]}", "filter: pii.phones"], 1, ["before pii.mask"]),
        (["transform: invisible.strip", "filter: invisible.per_thousand"], 1, ["before invisible.strip"]),
        (["transform: refinedweb.clean", "filter: refinedweb.removed_word_ratio"], 1, ["before refinedweb.clean"]),
        (["filter: fineweb.line_punct_ratio, keep: {min: 0.12}", "transform: c4.clean"], 0,
         ["measure.0 fineweb.line_punct_ratio filter: ", "its source measures what c4.clean leaves",
          "move it below measure.1"]),
        (["filter: c4.sentences, keep: {min: 5}", "transform: c4.clean, params: {terminal_punct: false}"], 0,
         ["measure.0 c4.sentences params.terminal_punct: ",
          "terminal_punct is true for c4.sentences and false for c4.clean (measure.1)",
          "write params: {terminal_punct: false}"]),
        (["filter: c4.sentences, params: {terminal_punct: false}", "filter: c4.curly_bracket, keep: {max: 0}"], 1,
         ["is true for c4.curly_bracket and false for c4.sentences (measure.0)"]),
    ],
)  # fmt: skip
def test_a_planted_mistake_is_found_with_its_line(
    tmp_path: Path, measure: list[str], line: int, said: list[str]
) -> None:
    [found] = findings(tmp_path, measure)
    assert found.startswith(f"{FIRST + line}: measure.")
    for part in said:
        assert part in found


@pytest.mark.parametrize(
    "measure",
    [
        [f"filter: {ALPHA}, keep: {{min: 0.01, max: 0.99}}", f"filter: {LENGTH}, keep: {{max: 1}}"],
        ["filter: c4.curly_bracket, keep: {max: 0}", "filter: gopher.stop_words, keep: {min: 8}"],
        ["filter: length.bytes, keep: {min: 60, max: 90}", "filter: length.characters, keep: {min: 50, max: 80}"],
        ["filter: length.words, keep: {min: 9}", "transform: c4.clean", "filter: length.words, keep: {min: 8}"],
        ["filter: length.bytes, keep: {min: 9}", "transform: c4.clean", "filter: length.characters, keep: {min: 9}"],
        ["transform: pii.mask, params: {kinds: [ipv4]}", "filter: pii.emails", "filter: pii.ipv6"],
        ["filter: pii.emails", "transform: pii.mask"],
        ["filter: fineweb.line_punct_ratio"],
        ["filter: c4.sentences, params: {terminal_punct: true}", "transform: c4.clean"]
    ],
)  # fmt: skip
def test_what_means_what_it_says_is_not_warned_of(tmp_path: Path, measure: list[str]) -> None:
    assert findings(tmp_path, measure) == []


def test_two_definitions_of_one_rule_are_found(tmp_path: Path) -> None:
    [found] = findings(
        tmp_path, ["filter: gopher.word_count", "filter: length.words", "filter: gopher.word_count@dclm"]
    )
    definitions = "by the datatrove definition above and by the dclm one"
    assert found.startswith(f"8: measure.2 gopher.word_count@dclm filter: gopher.word_count is measured {definitions}")


def test_a_row_of_a_language_names_one_definition_of_a_rule(tmp_path: Path) -> None:
    table = "by_language: {de: {gopher.word_count@dclm: {min: 9}}}\n"
    assert findings(tmp_path, ["filter: gopher.word_count@dclm, keep: {min: 8}"], table) == []
    with pytest.raises(ConfigError, match=r"not in `measure`: add `- .filter: gopher.word_count@dclm.` there"):
        findings(tmp_path, ["filter: gopher.word_count, keep: {min: 8}"], table)


def test_rows_of_languages_that_do_nothing_are_found(tmp_path: Path) -> None:
    table = f"""\
languages: [en, de, uk]
by_language:
  ru: {{{LENGTH}: {{max: 12}}}}
  uk:
    like: ru
    {LENGTH}: {{min: 3, max: 12}}
  pl: {{{LENGTH}: {{max: 13}}}}
  de: {{{LENGTH}: {{max: null}}}}
  en: {{length.words: {{min: null, max: 1000}}, gopher.stop_words: {{max: 8}}}}
"""
    entries = [f"filter: {LENGTH}, keep: {{min: 3, max: 10}}", "filter: length.words", "filter: gopher.stop_words"]
    found = findings(tmp_path, entries, table)
    own = f"by_language.ukr_Cyrl.{LENGTH}"
    assert [line.partition(";")[0] for line in found] == [
        f"14: {own}.max: max 12 is what ukr_Cyrl inherits anyway",
        f"14: {own}.min: min 3 is what ukr_Cyrl inherits anyway",
        "15: by_language.pol_Latn: no document meets this row: `languages` turns pol_Latn away",
        "17: by_language.eng_Latn.gopher.stop_words.max: max 8 never removes a document, as gopher.stop_words has no "
        "value beyond 8",
        "17: by_language.eng_Latn.length.words.min: min null is what eng_Latn inherits anyway",
    ]


@pytest.mark.parametrize(("small", "large"), NEVER_ABOVE)
def test_what_is_called_never_above_is_never_above(small: str, large: str) -> None:
    texts = json.loads(Path("tests/data/golden/filters.json").read_text("utf-8"))["texts"]
    batch = TextBatch.of([text for _, text in texts], langs=[lang for lang, _ in texts])
    assert (filters.get(small).measure(batch) <= filters.get(large).measure(batch) + 1e-12).all()


def corpus(folder: Path, entries: str) -> Path:
    """Twenty English texts of 30 words and more, twenty German ones, and a config over them."""
    english = "The river of the town runs down to the sea and on its way it carries stones and sand with it. "
    german = "Der Fluss der kleinen Stadt fliesst hinunter zum Meer und traegt auf seinem Weg die Steine mit. "
    texts = [(n, lang, text * (2 + n)) for n in range(20) for lang, text in (("en", english), ("de", german))]
    rows = [json.dumps({"url": f"http://x/{lang}/{n}", "lang": lang, "text": text}) for n, lang, text in texts]
    (folder / "in.jsonl").write_text("\n".join(rows))
    source = "inputs: [{source: s, uri: in.jsonl, fields: {url: url, lang: lang}}]"
    path = folder / "run.yaml"
    path.write_text(f"name: t\n{source}\noutput: o\nwork: w\n{entries}")
    return path


SAMPLED = """\
measure:
  - {filter: length.words, keep: {min: 3}}
  - {filter: gopher.stop_words, keep: {min: 2}}
  - {filter: gopher.mean_word_length, keep: {max: 2}}
  - {filter: length.characters, keep: {min: 800}}
by_language:
  de:
    gopher.stop_words: {min: 4}
    length.characters: {min: null, max: 100}
"""


def test_bounds_that_remove_none_or_all_of_a_sample_are_found(tmp_path: Path) -> None:
    path = corpus(tmp_path, SAMPLED)
    config = load(path)
    found = located(lint_sample(config, measured_sample(config, 100)), path)
    assert [line.removeprefix(f"{path}:").partition(" documents")[0] for line in found] == [
        "6: measure.0 length.words keep.min: min 3 removes none of 40",
        "7: measure.1 gopher.stop_words keep.min: min 2 removes none of 20",
        "8: measure.2 gopher.mean_word_length keep.max: max 2 removes all 40",
        "12: by_language.deu_Latn.gopher.stop_words.min: min 4 removes all 20",
        "13: by_language.deu_Latn.length.characters.max: max 100 removes all 20",
    ]
    assert lint_sample(config, measured_sample(config, FEW - 1)) == []


def test_a_language_that_is_turned_away_is_no_part_of_the_sample(tmp_path: Path) -> None:
    config = load(corpus(tmp_path, "languages: [en]\nmeasure:\n  - {filter: length.words, keep: {min: 3}}\n"))
    [found] = lint_sample(config, measured_sample(config, 100))
    assert "removes none of 20 documents" in found.why


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("min: 0.15", ["min 0.15 removes all 20 documents of deu_Latn (values 0 to 0)",
                       "add by_language.deu_Latn.gopher.stop_words: {min: null}, or name the languages to keep in"]),
        ("min: 7", ["removes all 40 documents of the sample"]),
        ("min: 0", []),
        ("max: 8", []),
    ],
)  # fmt: skip
def test_a_language_that_a_bound_of_all_removes_whole_is_named_once(
    tmp_path: Path, bound: str, said: list[str]
) -> None:
    """German texts have none of the English stop words; a bound at the end of the reach is found without a sample."""
    path = corpus(tmp_path, f"measure:\n  - {{filter: gopher.stop_words, keep: {{{bound}}}}}\n")
    config = load(path)
    found = lint_sample(config, measured_sample(config, 100))
    assert len(found) == bool(said)
    for finding in found:
        assert finding.at == ("measure", 0, "keep", bound[:3])
        assert all(part in f"{finding.why}; {finding.instead}" for part in said)
    assert lint_sample(config, measured_sample(config, FEW - 1)) == []


def test_a_language_with_a_row_of_its_own_or_turned_away_is_not_called_emptied(tmp_path: Path) -> None:
    entries = "measure:\n  - {filter: gopher.stop_words, keep: {min: 1}}\n"
    for more in ("by_language: {de: {gopher.stop_words: {min: null}}}\n", "languages: [en]\n"):
        config = load(corpus(tmp_path, entries + more))
        assert not [f for f in lint_sample(config, measured_sample(config, 100)) if "deu_Latn" in f.why]


def test_check_prints_warnings_and_exits_2_only_when_strict(tmp_path: Path) -> None:
    path = corpus(tmp_path, SAMPLED)
    plain, sampled = (CliRunner().invoke(app, ["check", str(path), *more]) for more in ([], ["--sample", "40"]))
    assert (plain.exit_code, plain.stdout.splitlines()[-1]) == (0, "ok")
    assert (sampled.exit_code, sampled.stdout.splitlines()[-1]) == (0, "ok, with 5 warnings")
    assert "sample: 40 documents of 40 records read\n" in sampled.stdout
    assert (
        f"warning: {path}:8: measure.2 gopher.mean_word_length keep.max: max 2 removes all 40 documents"
        in sampled.stdout
    )
    strict = CliRunner().invoke(app, ["check", str(path), "--sample", "40", "--strict"])
    assert (strict.exit_code, strict.stderr) == (2, f"curate: error: {path}: 5 warnings, and --strict was given\n")
    assert CliRunner().invoke(app, ["check", str(path), "--strict"]).exit_code == 0
    assert not (tmp_path / "w").exists()
