import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.config import JudgeConfig, LlmConfig
from curate.errors import ConfigError, JudgeError
from curate.judging import evaluation, gold
from curate.judging.calibration import Calibration, fit
from curate.judging.evaluate import evaluate
from curate.judging.gold import Gold, GoldText
from curate.judging.judge import judge, rubrics
from curate.judging.metrics import Interval
from curate.llm.prompts import Prompt
from curate.llm.session import Identity, Llm
from tests import fake_llm
from tests.curate.stages.test_judge import documents

IDENTITY = Llm.identity_of(LlmConfig())


def text(n: int, *, good: bool) -> GoldText:
    kind = "page" if good else ("spam", "shuffled")[n % 2]
    lang = ("eng_Latn", "deu_Latn")[n // 2 % 2]
    part = gold.PARTS[n // 4 % 2]
    words = f"{'good' if good else 'bad'} text {n} " * (n % 3 * 30 + 1)
    return GoldText(id=f"{n}{good}", text=words, label=float(good), lang=lang, kind=kind, group=f"g{n}", part=part)


GOLD = Gold([text(n, good=good) for n in range(24) for good in (True, False)])


@contextlib.contextmanager
def asked(folder: Path, *script: str | int) -> Iterator[Llm]:
    with fake_llm.serve(*script) as fake:
        config = LlmConfig(endpoint=fake.base_url, retries=0, concurrency=1)
        with contextlib.closing(Llm(config, folder / "cache")) as llm:
            yield llm


def rubric(config: JudgeConfig) -> Prompt:
    return rubrics(config)["quality"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> evaluation.Evaluation:
    """Of a judge that is right but for one page in seven."""

    def knowing(body: dict[str, Any], _: Any) -> dict[str, Any]:
        asked_about = body["prompt"].partition("<text>\n")[2]
        number = int(asked_about.split()[2])
        is_good = asked_about.startswith("good") != (number % 7 == 5)
        choices = rubric(JudgeConfig()).choices
        [likely, *_] = sorted(choices, key=lambda choice: -choices[choice] if is_good else choices[choice])
        return fake_llm.completion(body, likely, {c: -0.1 if c == likely else -1.5 for c in choices}, "length")

    with pytest.MonkeyPatch.context() as patch, asked(tmp_path_factory.mktemp("judge")) as llm:
        patch.setitem(fake_llm.FAULTS, "ok", knowing)
        return evaluate(rubric(JudgeConfig()), GOLD, llm, JudgeConfig())


def test_an_evaluation_says_what_was_asked_of_whom_and_how_well_it_went(measured: evaluation.Evaluation) -> None:
    assert (measured.gold, measured.prompt) == (GOLD.hash, rubric(JudgeConfig()).hash)
    assert Identity(measured.model, measured.revision) == IDENTITY
    assert (measured.prompt_tokens, measured.completion_tokens) == (10.0, 1.0)
    assert set(measured.parts) == {"choose", "held_out"}
    for part in measured.parts.values():
        assert sum(part.statuses.values()) == part.statuses["scored"] == 24
        assert set(part.by_kind) == {"spam", "shuffled"}
        assert sum(each.texts for each in part.by_language.values()) == 24
        assert sum(each.texts for each in part.by_length.values()) == 24
        assert part.auc.value is not None
        assert part.auc.low is not None
        assert 0.5 < part.auc.low < part.auc.value < 1.0
    assert measured.calibration


def test_calibration_is_fitted_on_choose_and_helps_what_was_held_out(measured: evaluation.Evaluation) -> None:
    assert measured.calibration
    assert measured.calibration.data == gold.content_hash(GOLD.part("choose"))
    held_out = measured.parts["held_out"]
    assert measured.agreement == held_out
    assert measured.parts["choose"].calibrated_error == Interval(None)  # It would be 0 there, whatever it is worth.
    assert held_out.calibrated_error.value is not None
    assert held_out.calibration_error.value is not None
    assert held_out.calibrated_error.value < held_out.calibration_error.value


def test_what_was_written_is_read_back(measured: evaluation.Evaluation, tmp_path: Path) -> None:
    evaluation.save([measured], tmp_path / "eval.json")
    assert evaluation.load(tmp_path / "eval.json") == (measured,)


@pytest.mark.parametrize(("content", "said"), [
    (None, "No such file"), ("{", "Invalid JSON"), ('{"schema": 2, "evaluations": []}', "schema"),
    ("{}", "evaluations"),
])  # fmt: skip
def test_a_file_that_is_no_evaluation_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "eval.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=rf"judge\.evaluation: .*{said}"):
        evaluation.load(path)


def test_failures_are_counted_and_too_many_stop(tmp_path: Path) -> None:
    script: list[str | int] = ["outside", *["ok"] * 60]
    with asked(tmp_path, *script) as llm:
        found = evaluate(rubric(JudgeConfig()), GOLD, llm, JudgeConfig())
    assert found.parts["choose"].statuses == {"unparsable": 1, "scored": 23}
    with asked(tmp_path / "other", "outside") as llm, pytest.raises(JudgeError, match="48 unparsable"):
        evaluate(rubric(JudgeConfig()), GOLD, llm, JudgeConfig())


def saved(found: evaluation.Evaluation, folder: Path, **changes: Any) -> JudgeConfig:
    """A run's judge section with that evaluation and the gold set it is of."""
    evaluation.save([found], folder / "eval.json")
    lines = "".join(json.dumps(text.model_dump()) + "\n" for text in GOLD.texts)
    (folder / "gold.jsonl").write_text(lines, encoding="utf-8")
    return JudgeConfig(evaluation=folder / "eval.json", gold=folder / "gold.jsonl").model_copy(update=changes)


def test_an_evaluation_of_the_run_s_own_judge_makes_it_calibrated(
    measured: evaluation.Evaluation, tmp_path: Path
) -> None:
    config = saved(measured, tmp_path)
    assert evaluation.standing(config, rubric(config), IDENTITY) == measured
    said = evaluation.note(config, "quality", rubric(config), IDENTITY)
    assert f"is calibrated on gold set {GOLD.hash[:12]}: AUC {measured.parts['held_out'].auc}" in said


@pytest.mark.parametrize(("changes", "revision", "reason"), [
    ({"evaluation": None}, IDENTITY.revision, "no evaluation was given"),
    ({"max_tokens": 100}, IDENTITY.revision, "another max_tokens"),
    ({"sees": "head_middle_tail"}, IDENTITY.revision, "another sees"),
    ({"gold": None}, IDENTITY.revision, "another gold set than"),
    ({}, "other", "another revision of the model"),
    ({}, None, "revision is not known"),
])  # fmt: skip
def test_an_evaluation_of_anything_else_does_not(
    measured: evaluation.Evaluation, tmp_path: Path, changes: dict[str, Any], revision: str | None, reason: str
) -> None:
    config = saved(measured, tmp_path, **changes)
    identity = Identity(IDENTITY.model, revision)
    said = evaluation.note(config, "quality", rubric(config), identity)
    assert "uncalibrated" in said
    assert reason in said
    with pytest.raises(ConfigError, match=r"judge\.calibrate: no calibration.*" + reason):
        evaluation.calibration_of(config.model_copy(update={"calibrate": True}), rubric(config), identity)


def test_another_prompt_is_named(measured: evaluation.Evaluation, tmp_path: Path) -> None:
    other = measured.model_copy(update={"prompt": "0" * 32})
    config = saved(other, tmp_path)
    assert "another prompt than educational@" in evaluation.note(config, "quality", rubric(config), IDENTITY)


def test_calibrated_scores_are_the_mapped_ones_and_say_so(measured: evaluation.Evaluation, tmp_path: Path) -> None:
    config = saved(measured, tmp_path, calibrate=True, max_failed_share=1.0)
    table = documents("one text", "another text")
    with asked(tmp_path / "judged", "filtered", "ok") as llm:
        raw = judge(table, llm, config.model_copy(update={"calibrate": False})).to_pylist()
        mapped = judge(table, llm, config).to_pylist()
    assert measured.calibration
    for before, after in zip(raw, mapped, strict=True):
        expected = None if before["quality"] is None else measured.calibration.apply(before["quality"])
        assert after["quality"] == expected
        assert after["quality_entropy"] == before["quality_entropy"]
        named = before["quality_model"] and f"{before['quality_model']}/calibrated@{measured.calibration.hash[:12]}"
        assert after["quality_model"] == named


def test_nothing_to_calibrate_by_is_refused() -> None:
    with pytest.raises(ValueError, match="calibrate needs evaluation"):
        JudgeConfig(calibrate=True)


@pytest.mark.parametrize("values", [
    {"scores": (), "worths": ()}, {"scores": (0.1, 0.1), "worths": (0.0, 1.0)},
    {"scores": (0.1,), "worths": (0.0, 1.0)}, {"scores": (0.1, 0.2), "worths": (1.0, 0.0)},
])  # fmt: skip
def test_a_calibration_that_falls_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected as many|must rise"):
        Calibration(data="", **values)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1), st.floats(-1, 2), st.floats(-1, 2)
)
def test_a_better_score_is_never_worth_less(pairs: list[tuple[float, float]], a: float, b: float) -> None:
    scores, labels = (np.array(each) for each in zip(*pairs, strict=True))
    found = fit(scores, labels, "data")
    low, high = sorted((found.apply(a), found.apply(b)))
    assert 0.0 <= low <= high <= 1.0
    assert found.apply(min(a, b)) == low


def test_an_interval_is_shown_with_its_bounds() -> None:
    assert [str(Interval(0.5, 0.25, 0.75)), str(Interval(0.5)), str(Interval(None))] == [
        "0.500 [0.250, 0.750]", "0.500", "-",
    ]  # fmt: skip
