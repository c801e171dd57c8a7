"""The section `dedup.minhash`: presets, shingles, and what of it a result depends on."""

from itertools import permutations
from pathlib import Path

import pytest

from curate.config import RunConfig
from curate.config.dedup import PRESETS
from curate.config.file import load
from curate.config.settings import with_settings
from curate.errors import ConfigError
from curate.lineage import key
from curate.shingles import STEPS
from curate.stages import dedup, select

RUN = "name: one\ninputs:\n  - {source: web, uri: pages, format: warc}\noutput: out\nwork: work\ndedup:\n  minhash: "


def loaded(folder: Path, minhash: str) -> RunConfig:
    (folder / "run.yaml").write_text(f"{RUN}{minhash}\n")
    return load(folder / "run.yaml")


def identities(folder: Path, minhash: str) -> tuple[object, object, str]:
    """Of the version, of signatures, and of decisions."""
    config = loaded(folder, minhash)
    assert config.dedup
    assert config.dedup.minhash
    decided = key(select.dedup_identity(config))
    return config.identity(), dedup.identity(config.dedup.minhash), decided


@pytest.mark.parametrize(
    ("preset", "same"),
    [
        ("{preset: fineweb}", "{}"),
        ("{preset: fineweb}", "{bands: 14, rows: 8, shingle: {unit: words, size: 5}}"),
        ("{preset: nemo}", "{bands: 20, rows: 13, shingle: {unit: characters, size: 24}}"),
        ("{preset: dolma3}", "{bands: 26, rows: 11, shingle: {unit: characters, size: 5}}"),
        ("{preset: nemo, rows: 5}", "{bands: 20, rows: 5, shingle: {unit: characters, size: 24}}"),
        ("{preset: nemo, shingle: {size: 9}}", "{bands: 20, rows: 13, shingle: {unit: characters, size: 9}}"),
        (
            "{preset: dolma3, shingle: {normalise: [numbers, lower]}}",
            "{bands: 26, rows: 11, shingle: {unit: characters, size: 5, normalise: [lower, numbers]}}",
        ),
        ("{preset: nemo, shingle: {unit: words}}", "{bands: 20, rows: 13}"),
    ],
)
def test_a_preset_is_the_same_as_its_values_and_yields_to_what_is_given(tmp_path: Path, preset: str, same: str) -> None:
    assert identities(tmp_path, preset) == identities(tmp_path, same)


def test_every_preset_is_one_of_its_own(tmp_path: Path) -> None:
    found = [repr(identities(tmp_path, f"{{preset: {name}}}")) for name in PRESETS]
    assert len(set(found)) == len(PRESETS)


def test_the_order_of_the_steps_does_not_matter(tmp_path: Path) -> None:
    texts = [f"{{shingle: {{normalise: [{', '.join(order)}]}}}}" for order in permutations(STEPS)]
    assert len({repr(identities(tmp_path, text)) for text in texts}) == 1


def test_of_a_tokenizer_the_content_counts_and_not_the_place(tmp_path: Path) -> None:
    found = []
    for place, content in (("a", "{}"), ("b", "{}"), ("c", "{ }")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "tokenizer.json").write_text(content)
        section = f"{{shingle: {{unit: tokens, size: 5, tokenizer: {place}/tokenizer.json}}}}"
        config = loaded(tmp_path, section)
        assert config.dedup
        assert config.dedup.minhash
        assert config.dedup.minhash.shingle.tokenizer == tmp_path / place / "tokenizer.json"
        found.append(identities(tmp_path, section))
    assert found[0] == found[1]
    assert found[0][0] == found[2][0]
    assert found[0][1] != found[2][1]


@pytest.mark.parametrize("section", ["{preset: nemo}", "{shingle: {unit: tokens, size: 3, tokenizer: t.json}}"])
def test_the_settings_of_a_run_can_be_read_again(tmp_path: Path, section: str) -> None:
    (tmp_path / "t.json").write_text("{}")
    config = loaded(tmp_path, section)
    again = with_settings(config.model_dump(mode="json"), ["dedup.minhash.min_similarity=0.75"])
    assert again.model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{preset: nemmo}", "fineweb"),
        ("{shingle: {unit: characters}}", "how many characters make a shingle?"),
        ("{shingle: {unit: tokens, size: 5}}", "tokens need a `tokenizer`"),
        ("{shingle: {tokenizer: t.json}}", "write unit: tokens"),
        ("{shingle: {unit: tokens, size: 5, tokenizer: t.json, normalise: [lower]}}", "leave the steps out"),
        ("{shingle: {unit: tokens, size: 5, tokenizer: t.json}}", "t.json is not there"),
        ("{shingle: {normalise: [lowr]}}", "lower"),
        ("{shingle: {size: 65}}", "64"),
        ("{min_shingles: 513}", "512"),
        ("{preset: [nemo]}", "preset"),
        ("{preset: nemo, shingle: 5}", "shingle"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(tmp_path: Path, section: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, section)
    assert "dedup.minhash" in str(caught.value)
    assert said in str(caught.value)
