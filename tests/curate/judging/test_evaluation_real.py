"""The packaged model on the shipped gold set."""

import contextlib
from pathlib import Path

import pytest

from curate.config import JudgeConfig, LlmConfig
from curate.judging import gold
from curate.judging.evaluate import evaluate
from curate.judging.judge import rubrics
from curate.llm.session import Llm


@pytest.mark.slow
def test_the_default_judge_tells_english_text_from_wreckage_better_than_a_coin(tmp_path: Path) -> None:
    texts = gold.Gold([text for text in gold.load().part("held_out") if text.lang == "eng_Latn"])
    config = JudgeConfig(max_tokens=200)
    with contextlib.closing(Llm(LlmConfig(), tmp_path)) as llm:
        found = evaluate(rubrics(config)["quality"], texts, llm, config)
        sent = llm.counts["sent"]
        assert evaluate(rubrics(config)["quality"], texts, llm, config) == found
    assert sent == llm.counts["sent"] == len(texts.texts)
    assert found.agreement.statuses == {"scored": len(texts.texts)}
    assert found.agreement.auc.low is not None
    assert found.agreement.auc.low > 0.55
    assert found.calibration is None  # There is no part to fit it on.
