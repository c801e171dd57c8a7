"""The section `dedup`: what a duplicate is. Absent means off."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from curate.config.values import LocalPath, Positive, Share, Strict, one_or_many

Unit = Literal["words", "characters", "tokens"]
Step = Literal["lower", "numbers", "diacritics", "punctuation"]

MAX_SHINGLE_SIZE = 64
"""Longest shingle, in units."""

MAX_SHINGLES_AT_LEAST = 512
"""Largest `min_shingles`: such a text is compared as a whole, and is in memory as a whole."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fineweb": {"bands": 14, "rows": 8, "shingle": {"unit": "words", "size": 5}},
    "nemo": {"bands": 20, "rows": 13, "shingle": {"unit": "characters", "size": 24}},
    "dolma3": {"bands": 26, "rows": 11, "shingle": {"unit": "characters", "size": 5}},
}
"""What the field compares by. Sources: FineWeb (Penedo et al. 2024, 3.4) and datatrove 0.10.1; NeMo Curator's defaults;
Dolma 3 and Marin. DIFFERS: the normalisation and the hashes are ours, and candidates are verified on the text."""

Preset = Literal["fineweb", "nemo", "dolma3"]

Preference = Literal["source", "real", "longest", "shortest", "oldest", "newest"]
PREFERENCES: tuple[Preference, ...] = ("source", "real", "longest", "oldest")
"""Criteria by which the copy that is kept is chosen."""


class ShingleConfig(Strict):
    """What a text is compared by: every run of `size` units, see curate/shingles.py."""

    unit: Unit = "words"
    size: Annotated[int, Field(gt=0, le=MAX_SHINGLE_SIZE)] = 5
    normalise: Annotated[
        tuple[Step, ...],
        BeforeValidator(one_or_many),
        AfterValidator(lambda steps: tuple(step for step in get_args(Step) if step in steps)),
    ] = get_args(Step)
    """Steps before units are cut; [] leaves the text as it is. Tokens are those of the text as it is."""

    tokenizer: LocalPath | None = None
    """Folder or tokenizer.json whose tokens are the units."""

    @model_validator(mode="before")
    @classmethod
    def tokens_are_of_the_text(cls, values: Any) -> Any:
        """No step applies to tokens."""
        return {"normalise": [], **values} if isinstance(values, Mapping) and values.get("unit") == "tokens" else values

    @model_validator(mode="after")
    def parts_fit(self) -> Self:
        """Refuse a size that is for words, and a tokenizer or step that nothing uses."""
        if self.unit != "words" and "size" not in self.model_fields_set:
            raise ValueError(f"size: how many {self.unit} make a shingle? A default is there for words alone")
        if self.unit == "tokens" and not self.tokenizer:
            raise ValueError("unit: tokens need a `tokenizer`, a tokenizer.json or its folder")
        if self.unit != "tokens" and self.tokenizer:
            raise ValueError(f"tokenizer: nothing reads it, as the unit is {self.unit}; write unit: tokens")
        if self.unit == "tokens" and self.normalise:
            raise ValueError("normalise: tokens are those of the text as it is; leave the steps out")
        return self


class MinhashConfig(Strict):
    """MinHash LSH over shingles. Defaults: FineWeb's 14 bands of 8 rows over 5 words."""

    preset: Annotated[Preset | None, Field(exclude=True)] = None
    """Gives bands, rows and shingle where they are not given. Only their values count: it enters no key and no dump."""

    bands: Positive = 14
    rows: Positive = 8
    shingle: ShingleConfig = ShingleConfig()
    min_similarity: Share = 0.75
    """Exact shingle Jaccard, computed on the texts, below which a candidate pair is no edge."""

    min_containment: Share | None = None
    """A candidate pair is an edge as well where the smaller text's shingles are contained to this share in the other's.
    Absent: the Jaccard alone decides."""

    min_shingles: Annotated[int, Field(gt=0, le=MAX_SHINGLES_AT_LEAST)] = 1
    """A text with fewer is a duplicate only of texts with the same units. 1: so is a text of at most `size` units."""

    seed: int = 1
    leaders: Positive = 16
    """Members of a bucket of equal band keys that all others of the bucket are compared with."""

    @model_validator(mode="before")
    @classmethod
    def with_preset(cls, values: Any) -> Any:
        """Fill in what the preset gives. Its shingle size is of its unit: with another unit it does not apply."""
        name = values.get("preset") if isinstance(values, Mapping) else None
        if not isinstance(name, str) or name not in PRESETS:
            return values
        preset, shingle = PRESETS[name], values.get("shingle", {})
        if isinstance(shingle, Mapping) and shingle.get("unit", preset["shingle"]["unit"]) == preset["shingle"]["unit"]:
            shingle = {**preset["shingle"], **shingle}
        return {**preset, **values, "shingle": shingle}


class DedupConfig(Strict):
    """Exact duplicates by text hash always; near-duplicates where `minhash` is given."""

    minhash: MinhashConfig | None = None
    prefer: tuple[Preference, ...] = PREFERENCES
    """Which of two duplicates is kept: the first of these that tells them apart decides, and at last the smaller id.
    `source`: by `source_priority`; `real`: what no model wrote; `longest`, `shortest`: by characters; `oldest`,
    `newest`: by date, one without a date last."""

    source_priority: tuple[str, ...] = ()
    """Sources from the best on; those not named come last."""

    @field_validator("prefer")
    @classmethod
    def each_once(cls, value: tuple[Preference, ...]) -> tuple[Preference, ...]:
        """Refuse a criterion that an earlier one has decided already."""
        kinds = [{"shortest": "longest", "newest": "oldest"}.get(name, name) for name in value]
        if len(kinds) > len(set(kinds)):
            raise ValueError(
                f"prefer: {', '.join(value)}: expected each criterion once, longest or shortest among them"
            )
        return value
