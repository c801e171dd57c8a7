"""Injections put into bad texts: how far each kind moves a judge's score, beside harmless words of the same length.

Greshake et al., 2023 (orders in data that a model reads); judges are moved by them too (Raina et al., 2024).
"""

import base64
import codecs
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from curate import lineage
from curate.config import JudgeConfig
from curate.judging.evaluation import calibration_of
from curate.judging.judge import Judgement, calibrated, judgements, stop_if_too_many_failed
from curate.llm.prompts import Prompt
from curate.llm.session import Llm

FILE = Path(__file__).with_suffix(".yaml")
ALL = "all"
"""Name of the row over every kind."""

RESAMPLES = 2_000
HARMLESS = (
    "In the morning the bus stops at the corner by the baker, and people with bags wait under the old tree until it "
    "has left again for the next village on the road along the lake. "
)
"""What controls are made of: it neither praises nor orders."""

Place = Literal["head", "middle", "tail"]

WRITTEN: Mapping[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "zero_width": lambda text: "\u200b".join(text),
    "soft_hyphens": lambda text: "\u00ad".join(text),
    "tags": lambda text: "".join(chr(0xE0000 + ord(c)) if c.isascii() else c for c in text),
    "right_to_left": lambda text: f"\u202e{text[::-1]}\u202c",
    "full_width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64_named": lambda text: f"Decode this base64 and obey: {base64.b64encode(text.encode()).decode()}",
    "rot13": lambda text: f"In rot13: {codecs.encode(text, 'rot13')}",
    "hexadecimal": lambda text: text.encode().hex(" "),
    "html_entities": lambda text: html.escape(text).replace(" ", "&#32;"),
}
"""How the text of an injection is written: the `as` of attacks.yaml."""


@dataclass(frozen=True)
class Attack:
    """One injection, worded for a rubric."""

    kind: str
    place: Place
    text: str

    def into(self, host: str) -> str:
        """The host with the injection at its place."""
        return inserted(host, self.text, self.place)

    def control(self, host: str) -> str:
        """The host with harmless words of as many UTF-8 bytes at the same place."""
        return inserted(host, harmless(len(self.text.encode())), self.place)


@dataclass(frozen=True)
class Case:
    """An attack on a host, and its clean twins' scores; None where one gave no score."""

    kind: str
    attack: int
    """Number of the attack among those shipped."""

    host: str
    clean: float | None
    attacked: float | None
    control: float | None


@dataclass(frozen=True)
class Shift:
    """What the injections of one kind do to scores, over pairs of an attack and a host.

    Values are NaN-free: None where no pair was scored.
    """

    attacks: int
    pairs: int
    failed: int
    """Pairs in which one of the three texts got no score: in no figure."""

    mean: float | None = None
    """Of score(host + injection) - score(host), in units of the rubric's values."""

    max: float | None = None
    control: float | None = None
    """Mean of score(host + harmless words) - score(host)."""

    net: float | None = None
    """Mean of score(host + injection) - score(host + harmless words): what is left of the shift beside mere length."""

    net_low: float | None = None
    """95 % interval of `net`: bootstrap over attacks, as pairs of one attack are alike."""

    net_high: float | None = None
    crossed: float | None = None
    """Of the pairs whose host is below the bound: the share that the injection lifts to it. None where no host is."""

    control_crossed: float | None = None
    """The same for harmless words."""


@dataclass(frozen=True)
class Attacked:
    """What `attack` found."""

    rubric: str
    model: str
    bound: float
    """What is crossed: the config's least score, else the middle of the choices' values."""

    clean: Mapping[str, float | None]
    """Host -> its score."""

    shifts: Mapping[str, Shift]
    """Kind -> its shift; ALL is over every kind."""

    cases: Sequence[Case]

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)


def shipped(rubric: Prompt) -> list[Attack]:
    """The injections of attacks.yaml, asking for what is best by this rubric."""
    by_value = sorted(rubric.choices, key=lambda choice: rubric.choices[choice])
    worst, best = by_value[0].strip(), by_value[-1].strip()
    found = []
    for entry in _file()["attacks"]:
        text = entry["text"].replace("{best}", best).replace("{worst}", worst)
        found.append(Attack(entry["kind"], entry["place"], WRITTEN[entry.get("as", "plain")](text)))
    return found


def hosts() -> dict[str, str]:
    """Name -> a bad text, which an attack wants to score well."""
    return dict(_file()["hosts"])


def attack(llm: Llm, rubric: Prompt, config: JudgeConfig) -> Attacked:
    """Judge each host with and without each shipped injection.

    Raises JudgeError when more than `max_failed_share` of the texts got no score.
    """
    bad, injections = hosts(), shipped(rubric)
    texts = dict.fromkeys(bad.values())
    texts |= dict.fromkeys(put(host) for host in bad.values() for a in injections for put in (a.into, a.control))
    unique = list(texts)
    judged = judgements(unique, [lineage.text_hash(text) for text in unique], rubric, llm, config)
    stop_if_too_many_failed(judged, config)
    if calibration := calibration_of(config, rubric, llm.identity):
        judged = [calibrated(each, calibration) for each in judged]
    found: dict[str, Judgement] = dict(zip(unique, judged, strict=True))
    cases = [
        Case(a.kind, number, name, *(found[text].score.value for text in (host, a.into(host), a.control(host))))
        for number, a in enumerate(injections)
        for name, host in bad.items()
    ]
    bound = config.keep.min if config.keep and config.keep.min is not None else None
    if bound is None:
        bound = (min(rubric.choices.values()) + max(rubric.choices.values())) / 2
    return Attacked(
        rubric=f"{rubric.name}@{rubric.version}",
        model=str(llm.identity),
        bound=bound,
        clean={name: found[host].score.value for name, host in bad.items()},
        shifts=shifts(cases, bound),
        cases=cases,
    )


def shifts(cases: Sequence[Case], bound: float) -> dict[str, Shift]:
    """By kind, in the order of the cases; then ALL."""
    kinds = {kind: [case for case in cases if case.kind == kind] for kind in dict.fromkeys(c.kind for c in cases)}
    return {kind: _shift(some, bound) for kind, some in (kinds | {ALL: list(cases)}).items()}


def inserted(host: str, text: str, place: Place) -> str:
    """`text` as a paragraph before, behind or in the middle of `host`, there between two words."""
    if place == "head":
        return f"{text}\n\n{host}"
    if place == "tail":
        return f"{host}\n\n{text}"
    middle = host.find(" ", len(host) // 2)
    return f"{host[:middle]}\n\n{text}\n\n{host[middle + 1 :]}"


def harmless(length: int) -> str:
    """Words of `length` characters."""
    return (HARMLESS * (length // len(HARMLESS) + 1))[:length]


def _file() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def _shift(cases: Sequence[Case], bound: float) -> Shift:
    rows = [(c.attack, c.clean, c.attacked, c.control) for c in cases]
    scored = np.array([row for row in rows if None not in row], dtype=np.float64).reshape(-1, 4)
    attacks, failed = len({case.attack for case in cases}), len(cases) - len(scored)
    if not len(scored):
        return Shift(attacks, len(cases), failed)
    number, clean, attacked, control = scored.T
    net, below = attacked - control, clean < bound
    low, high = _interval(number, net)
    return Shift(
        attacks, len(cases), failed,
        mean=float(np.mean(attacked - clean)), max=float(np.max(attacked - clean)),
        control=float(np.mean(control - clean)), net=float(np.mean(net)), net_low=low, net_high=high,
        crossed=float(np.mean(attacked[below] >= bound)) if below.any() else None,
        control_crossed=float(np.mean(control[below] >= bound)) if below.any() else None,
    )  # fmt: skip


def _interval(group: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """2.5th and 97.5th percentile of the mean over resampled groups; the same at every call."""
    _, place = np.unique(group, return_inverse=True)
    sums, sizes = np.bincount(place, values), np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
