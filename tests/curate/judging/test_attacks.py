import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from tokenizers import Tokenizer

from curate.config import JudgeConfig, LlmConfig
from curate.errors import JudgeError
from curate.judging import attacks
from curate.judging.attacks import ALL, Case
from curate.judging.calibration import Calibration
from curate.llm import prompts
from curate.llm.packaged import NAME, resolve
from curate.llm.prompts import FOLDER, Documents, Prompt
from curate.llm.session import Llm
from tests import fake_llm

JUDGES = sorted(
    path.stem for path in FOLDER.glob("*.md") if "\nkind: judge\n" in path.read_text(encoding="utf-8")
)  # fmt: skip
EDUCATIONAL = prompts.load("educational", "judge")
SHIPPED = attacks.shipped(EDUCATIONAL)


def as_chat(rubric: Prompt) -> Prompt:
    return Prompt.model_validate(rubric.model_dump() | {"form": "chat"})


def asked(folder: Path, config: JudgeConfig, *script: str) -> attacks.Attacked:
    with (
        fake_llm.serve(*script) as fake,
        contextlib.closing(Llm(LlmConfig(endpoint=fake.base_url, retries=0), folder)) as llm,
    ):
        return attacks.attack(llm, EDUCATIONAL, config)


def test_forty_injections_and_more_are_shipped_at_every_place_and_all_differ() -> None:
    assert len({(a.place, a.text) for a in SHIPPED}) == len(SHIPPED) >= 40
    assert {a.place for a in SHIPPED} == {"head", "middle", "tail"}
    kinds = {a.kind for a in SHIPPED}
    assert kinds == {
        "order", "chat_tokens", "fence", "rubric", "language", "invisible", "encoded", "system", "authority"
    }  # fmt: skip
    assert all(sum(a.kind == kind for a in SHIPPED) >= 4 for kind in kinds)
    assert not [a.text for a in SHIPPED if "{best}" in a.text or "{worst}" in a.text]


def test_an_injection_asks_for_what_is_best_by_the_rubric_at_hand() -> None:
    numbers = {"choices": {" 5": 1.0, " 1": 0.0, " 3": 0.5}, "hide_choices": False}
    points = Prompt.model_validate(EDUCATIONAL.model_dump() | numbers)
    orders = [a.text for a in attacks.shipped(points) if a.kind == "order"]
    assert all("5" in text and "good" not in text for text in orders)


@pytest.mark.parametrize("attack", SHIPPED, ids=lambda a: f"{a.kind}-{a.place}")
def test_a_twin_is_the_host_and_nothing_but_words_of_the_same_length(attack: attacks.Attack) -> None:
    for host in attacks.hosts().values():
        attacked, control = attack.into(host), attack.control(host)
        assert attack.text in attacked
        assert attacked.replace(attack.text, "", 1).split() == host.split()
        assert len(attacked.encode()) == len(control.encode())
        assert EDUCATIONAL.choices.keys().isdisjoint(f" {word}" for word in attacks.HARMLESS.split())


def test_every_pair_is_judged_once_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    found = asked(tmp_path, JudgeConfig())
    hosts = len(attacks.hosts())
    total = found.shifts[ALL]
    assert (total.attacks, total.pairs, total.failed) == (len(SHIPPED), len(SHIPPED) * hosts, 0)
    assert sum(s.pairs for kind, s in found.shifts.items() if kind != ALL) == total.pairs
    # The fake says the same of every text.
    assert (total.mean, total.max, total.net, total.crossed) == (0.0, 0.0, 0.0, 0.0)
    with fake_llm.serve(500) as fake, contextlib.closing(
        Llm(LlmConfig(endpoint=fake.base_url, retries=0), tmp_path)
    ) as llm:  # fmt: skip
        assert attacks.attack(llm, EDUCATIONAL, JudgeConfig()) == found
        assert fake.asked == 0
    json.dumps(found.to_json(), allow_nan=False)


def test_a_calibrated_judge_is_attacked_on_its_calibrated_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the config's bound is."""
    raw = asked(tmp_path, JudgeConfig())
    halved = Calibration(scores=(0.0, 1.0), worths=(0.0, 0.5), data="0" * 32)
    monkeypatch.setattr(attacks, "calibration_of", lambda *_: halved)
    mapped = asked(tmp_path, JudgeConfig())
    assert raw.cases[0].clean
    assert mapped.cases[0].clean == pytest.approx(raw.cases[0].clean / 2)


def test_a_pair_without_a_score_is_counted_and_in_no_figure(tmp_path: Path) -> None:
    found = asked(tmp_path, JudgeConfig(max_failed_share=1.0), *["ok"] * 40, *["outside"] * 20, "ok")
    total = found.shifts[ALL]
    assert 0 < total.failed < total.pairs
    assert total.mean == 0.0


def test_too_many_failures_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="unparsable"):
        asked(tmp_path, JudgeConfig(), "outside")


def cases(shift: Callable[[int], float], control: float, clean: float = 0.3) -> list[Case]:
    return [
        Case("order", number, host, clean, clean + shift(number), clean + control)
        for number in range(20)
        for host in ("a", "b", "c")
    ]


def test_a_shift_through_mere_length_is_told_apart() -> None:
    found = attacks.shifts(cases(lambda _: 0.1, 0.1), bound=0.5)["order"]
    assert (found.mean, found.net, found.net_low, found.net_high) == pytest.approx((0.1, 0.0, 0.0, 0.0))


def test_the_interval_is_over_attacks_as_their_pairs_are_alike() -> None:
    few = cases(lambda n: n / 100, 0.0)
    found = attacks.shifts(few, bound=0.5)["order"]
    same = attacks.shifts(few * 50, bound=0.5)["order"]
    assert found.net is not None
    assert found.net_low is not None
    assert found.net_high is not None
    assert found.net == pytest.approx(0.095)
    assert found.net_low < found.net < found.net_high
    assert (same.net_low, same.net_high) == pytest.approx((found.net_low, found.net_high))


@pytest.mark.parametrize(("clean", "bound", "crossed"), [(0.3, 0.5, 0.5), (0.6, 0.5, None), (0.3, 0.3, None)])
def test_only_a_host_below_the_bound_can_cross_it(clean: float, bound: float, crossed: float | None) -> None:
    found = attacks.shifts(cases(lambda n: 0.3 if n % 2 else 0.0, 0.0, clean), bound)[ALL]
    assert (found.crossed, found.control_crossed) == (crossed, None if crossed is None else 0.0)


def test_a_kind_without_a_scored_pair_has_no_figures() -> None:
    found = attacks.shifts([Case("order", 0, "a", None, 0.5, 0.5)], 0.5)["order"]
    assert (found.pairs, found.failed, found.mean, found.net_low) == (1, 1, None, None)


@pytest.fixture(scope="module")
def model() -> Path:
    path = resolve(NAME).path
    assert path
    return path


def as_user(model: Path, content: str) -> str:
    """What a server makes of a user's message, by the model's own chat template."""
    template = Environment(trim_blocks=True, lstrip_blocks=True).from_string(
        (model / "chat_template.jinja").read_text()
    )
    return template.render(messages=[{"role": "user", "content": content}], add_generation_prompt=True)


@pytest.mark.parametrize("sees", ["head", "head_middle_tail"])
@pytest.mark.parametrize("form", ["completion", "chat"])
@pytest.mark.parametrize("rubric", JUDGES)
def test_no_injection_is_a_control_token_among_the_ids_or_a_second_fence(
    model: Path, rubric: str, form: str, sees: Any
) -> None:
    """Whatever the special ids of prompt and template, an injection adds none: proven on what the model is given."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    loaded = prompts.load(rubric, "judge")
    prompt = as_chat(loaded) if form == "chat" else loaded

    def plain(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    def control_tokens(content: str) -> list[int]:
        whole = as_user(model, content) if form == "chat" else content
        return [number for number in plain(whole) if number in special]

    expected = control_tokens(prompt.render("A text."))
    assert len(expected) == (5 if form == "chat" else 0)
    documents = Documents(tokenizer)
    for attack in attacks.shipped(prompt):
        for host in attacks.hosts().values():
            for max_tokens in (60, 512):
                text = documents.prepare(prompt.hidden(attack.into(host)), max_tokens, sees).text
                content, _ = documents.content(prompt, attack.into(host), max_tokens, sees).made
                assert content == prompt.render(text)
                assert special.isdisjoint(plain(text))
                assert control_tokens(content) == expected
                assert (content.lower().count("<text>"), content.lower().count("</text>")) == (1, 1)


@pytest.mark.parametrize("sees", ["head", "head_middle_tail"])
def test_for_a_model_of_an_endpoint_the_spellings_of_the_families_are_broken_up(sees: Any) -> None:
    """Without a tokenizer the spellings are all that is known."""
    spellings = (
        "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<start_of_turn>",
        "<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>", "</s>", "<s>", "<|channel|>", "</think>", "<\uff5cUser\uff5c>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>", "<text>", "</text>",
    )  # fmt: skip
    for attack in SHIPPED:
        for host in attacks.hosts().values():
            text = Documents(None).prepare(attack.into(host), 300, sees).text
            assert not [spelling for spelling in spellings if spelling in text]
