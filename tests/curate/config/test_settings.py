"""`--set KEY=VALUE` over a config that was read: it becomes what the file would say, or is refused with the reason."""

from pathlib import Path
from typing import Any

import pytest

from curate.config import RunConfig
from curate.config.file import load, with_overrides
from curate.errors import ConfigError
from curate.stages import measure, select
from tests.curate.runs import write_config

COUNT, RATIO = "gopher.word_count", "gopher.alpha_word_ratio"
OWN = {COUNT: {"min": 20, "max": 900}}
SECTIONS: dict[str, Any] = {
    "measure": [
        {"filter": COUNT, "keep": {"min": 50, "max": 100_000}},
        {"filter": RATIO},
        {"filter": "url.blocked_domain", "params": {"domains": "ads.txt"}, "keep": {"max": 0}},
        {"transform": "c4.clean"},
        {"filter": "gopher.hash_ratio", "keep": {"keep_fraction": 0.5}},
    ],
    "by_language": {"de": OWN, "nl": {"like": "de"}},
    "dedup": {"minhash": {}},
    "llm": {},
    "judge": {"keep": {"min": 1.0, "missing": {"not_sampled": "keep", "failed": "reject"}}},
}


def config_of(folder: Path, **sections: Any) -> RunConfig:
    (folder / "ads.txt").write_text("ads.example\n")
    (folder / "in.jsonl").touch()
    return load(write_config(folder, [{"source": "s", "uri": "in.jsonl"}], **SECTIONS | sections))


def bounds(name: str, keep: dict[str, Any] | None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = SECTIONS["measure"]
    return {"measure": [step | {"keep": keep} if step.get("filter") == name else step for step in steps]}


def languages(**rows: Any) -> dict[str, Any]:
    return {"by_language": SECTIONS["by_language"] | rows}


SETTINGS: list[tuple[list[str], dict[str, Any]]] = [
    ([f"{COUNT}.min=60"], bounds(COUNT, {"min": 60, "max": 100_000})),
    ([f"{COUNT}.min=null", f"{COUNT}.max=null"], bounds(COUNT, None)),
    ([f"{RATIO}.keep_fraction=0.25"], bounds(RATIO, {"keep_fraction": 0.25})),
    (["languages=[en, de]"], {"languages": ["en", "de"]}),
    (["judge.keep.min=2"], {"judge": {"keep": SECTIONS["judge"]["keep"] | {"min": 2.0}}}),
    ([f"by_language.de.{COUNT}.min=40"], languages(de={COUNT: {"min": 40, "max": 900}})),
    ([f"by_language.deu_Latn.{COUNT}.max=null"], languages(de={COUNT: {"min": 20, "max": None}})),
    ([f"by_language.DE.{COUNT}.max=40"], languages(de={COUNT: {"min": 20, "max": 40}})),
    ([f"by_language.deu.{RATIO}.min=0.5"], languages(de=OWN | {RATIO: {"min": 0.5}})),
    ([f"by_language.nl.{COUNT}.min=0.5"], languages(nl={"like": "de", COUNT: {"min": 0.5}})),
    ([f"by_language.fr.{COUNT}.min=7", f"by_language.fra.{COUNT}.max=8"], languages(fr={COUNT: {"min": 7, "max": 8}})),
    (["by_language.fr.like=nld_Latn"], languages(fr={"like": "nl"})),
    ([f"by_language.nl.{COUNT}={{max: 50}}"], languages(nl={"like": "de", COUNT: {"max": 50}})),
    ([f"by_language.de={{{RATIO}: {{min: 0.5}}}}"], languages(de={RATIO: {"min": 0.5}})),
    ([f"by_language={{fr: {{{COUNT}: {{min: 1}}}}}}"], {"by_language": {"fr": {COUNT: {"min": 1}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "sections"), SETTINGS, ids=lambda value: str(value)[:60])
def test_a_setting_is_what_the_file_would_say(tmp_path: Path, settings: list[str], sections: dict[str, Any]) -> None:
    written = config_of(tmp_path, **sections)
    changed = with_overrides(config_of(tmp_path), settings=settings)
    assert changed == written
    assert changed.identity() == written.identity()
    assert measure.identity(changed.measure) == measure.identity(written.measure)
    assert select.identity(changed) == select.identity(written)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (f"by_language.deu_Ltn.{COUNT}.min=1", "'deu_Ltn' is no language code known here; did you mean 'deu_Latn'?"),
        (f"by_language.xx.{COUNT}.min=1", "'xx' is no language code known here; expected ISO 639"),
        ("by_language.de.gopher.wrd_count.min=1", "unknown filter 'gopher.wrd_count'; did you mean gopher.word_count"),
        ("by_language.de.length.words.min=1", "by_language.deu_Latn.length.words: not in `measure`: add"),
        (f"by_language.de.{COUNT}.keep_fraction=0.5", "keep_fraction is a share of the documents of all languages"),
        (f"by_language.de.{COUNT}.min=many", f"by_language.deu_Latn.{COUNT}.min: Input should be a valid number"),
        (f"by_language.de.{COUNT}.min=901", "min 901 is above max 900: nothing could be kept"),
        (f"by_language.de.{RATIO}.min=1.5", "min 1.5 is outside what gopher.alpha_word_ratio can reach"),
        ("by_language.de.gopher.hash_ratio.min=0.1", "has keep_fraction in `measure`"),
        ("by_language.de.lke=nl", "unknown key; allowed: like, and the filters of `measure`"),
        ("by_language.fr.like=nl_Ltn", "did you mean"),
        ("by_language.fr.like=it", "unknown language 'ita_Latn'; "),
        (f"by_langage.de.{COUNT}.min=1", f"unknown filter 'by_langage.de.{COUNT}'; did you mean '{COUNT}'?"),
        ("languages.de.min.x=1", "there is no section 'languages' to set this in"),
        ("seed=3", "--set seed: no bound of this config; expected FILTER.min, languages"),
        (f"{COUNT}=0.2", f"--set {COUNT}: a filter has two bounds; write {COUNT}.min=0.2 or {COUNT}.max=0.2"),
        (f"{COUNT}={{min: 2}}", f"write {COUNT}.min=VALUE or {COUNT}.max=VALUE"),
        (f"by_language.de.{COUNT}=60", f"write by_language.de.{COUNT}.min=60 or by_language.de.{COUNT}.max=60"),
        (f"{COUNT}.min", f"--set {COUNT}.min: expected KEY=VALUE"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        with_overrides(config_of(tmp_path), settings=[setting])
    assert said in str(raised.value)
