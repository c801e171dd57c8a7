"""`curate judge plan` against what a run then asks, and a run that its budget ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from curate.errors import BudgetReached
from curate.llm import client
from curate.reports import run_record
from flows.cli import app
from tests import fake_llm
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

DOCUMENTS, PASSING = 30, 20
PRICES = {"prompt": 2.0, "completion": 8.0}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


def planned(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["judge", "plan", *map(str, arguments)])


def as_json(*arguments: str | Path) -> dict[str, Any]:
    result = planned(*arguments, "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def config(folder: Path, endpoint: str, llm: dict[str, Any] | None = None, **judge: Any) -> Path:
    """20 of 30 documents are long enough."""
    folder.mkdir(exist_ok=True)
    rows = [{"text": f"Document {n}. " + "some words more " * (1 if n % 3 == 0 else 20)} for n in range(DOCUMENTS)]
    (folder / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return write_config(
        folder, [{"source": "s", "uri": "in.jsonl"}], measure=[{"filter": "length.words", "keep": {"min": 30}}],
        dedup=None, judge=judge, llm={"endpoint": endpoint, "prices": PRICES, "retries": 0} | (llm or {}),
    )  # fmt: skip


def test_what_the_judge_is_asked_again_is_planned(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        plan = as_json(config(tmp_path, fake.base_url, max_documents=7, distil={"ask_again": 5}))
    assert plan["judged"] == plan["requests"] == 12


@pytest.mark.parametrize("form", ["reasoned", "sampled"])
def test_of_a_run_that_is_done_nothing_is_planned(tmp_path: Path, form: str) -> None:
    """Also not the second question of mode reasoned, which the answer to the first one is in."""
    rubric = tmp_path / "mine.md"
    rubric.write_text(
        f"---\nname: mine\nversion: 1\nkind: judge\nform: chat\nsource: me\nmode: {form}\nsamples: 2\nbudget: 20\n"
        'choices: {"bad": 0.0, "good": 1.0}\n---\nRate.\n\n<text>\n{text}\n</text>\n'
    )
    with fake_llm.serve(write=lambda _: "I think <|im_end|> so.") as fake:
        path = config(tmp_path, fake.base_url, rubric=str(rubric))
        run_inline(path)
        plan = as_json(path)
    assert (plan["cached_share"], plan["requests"], plan["prompt_tokens"]) == (1.0, 0, 0)


@pytest.mark.parametrize("judge", [{}, {"max_documents": 7}, {"further": {"again": "educational"}}])
def test_the_plan_of_a_whole_sample_is_what_the_run_asks(tmp_path: Path, judge: dict[str, Any]) -> None:
    with fake_llm.serve() as fake:
        path = config(tmp_path, fake.base_url, **judge)
        plan = as_json(path, "--rate", "100")
        assert fake.asked == 0
        assert (plan["sampled"], plan["documents"], plan["passing"]) == (DOCUMENTS, DOCUMENTS, PASSING)
        assert plan["judged"] == judge.get("max_documents", PASSING)
        tokens = plan["prompt_tokens"], plan["completion_tokens"]
        assert plan["seconds"] == pytest.approx(sum(tokens) / 100)
        assert plan["money"] == pytest.approx((tokens[0] * 2 + tokens[1] * 8) / 1e6)
        result, _ = run_inline(path)
        bill = run_record.read(result.work).bill
        # The second rubric is the first one: its questions are in the cache by then.
        assert bill["requests"] == fake.asked == plan["judged"]
        assert bill["requests"] + bill["from cache"] == plan["requests"]
        assert bill["money"] == pytest.approx(fake.asked * (10 * 2 + 1 * 8) / 1e6)
        page = result.report.read_text()
        assert "the bill" in page
        assert f"{plan['prompt_tokens']:,}" in page
        # Of the sample, which is not what the run drew where it judges fewer.
        assert as_json(path)["cached_share"] == pytest.approx(plan["judged"] / PASSING)


def test_tokens_are_counted_by_the_model_s_own_tokenizer_where_it_is_here(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        near = as_json(config(tmp_path / "a", fake.base_url))
        about = as_json(config(tmp_path / "b", fake.base_url, {"model": "somebody/elses"}))
    assert (near["is_exact"], about["is_exact"]) == (True, False)
    assert about["prompt_tokens"] == pytest.approx(near["prompt_tokens"], rel=0.4)


def test_a_rate_is_measured_by_a_few_questions_that_are_kept(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        path = config(tmp_path, fake.base_url)
        assert as_json(path, "--measure")["tokens_per_second"] > 0
        assert fake.asked == PASSING  # fewer than it may ask
        assert as_json(path, "--measure")["seconds"] is None
        assert fake.asked == PASSING


def test_the_plan_names_the_caps_that_it_would_pass(tmp_path: Path) -> None:
    budget = {"requests": 5, "tokens": 10**9, "money": 1e-9, "seconds": 10**9}
    path = config(tmp_path, "http://127.0.0.1:1/v1", {"budget": budget})
    assert as_json(path, "--rate", "10")["over"] == ["requests", "money"]
    assert "over llm.budget.money" in planned(path).stdout


def test_a_terminal_gets_a_table_and_mistakes_a_sentence(tmp_path: Path) -> None:
    path = config(tmp_path, "http://127.0.0.1:1/v1")
    shown = planned(path)
    assert shown.exit_code == 0
    assert "prompt tokens" in shown.stdout
    assert "Document" not in shown.stdout
    assert planned(path, "--rate", "3", "--measure").exit_code == 2
    without = write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}])
    refused = planned(without)
    assert refused.exit_code == 2
    assert "no `judge` section" in refused.output


def test_a_run_ends_at_its_budget_publishes_nothing_and_goes_on_with_a_larger_one(tmp_path: Path) -> None:
    """FAULTS 39."""
    with fake_llm.serve() as fake:
        small = config(tmp_path, fake.base_url, {"budget": {"requests": 8}})
        with pytest.raises(BudgetReached, match=r"llm\.budget\.requests: .* run again to go on"):
            run_inline(small)
        assert fake.asked == 8
        assert not (tmp_path / "out" / "current").exists()
        result, _ = run_inline(config(tmp_path, fake.base_url, {"budget": {"requests": 12}}))
        assert fake.asked == PASSING
        assert result.exit_code == 0
        assert run_record.read(result.work).bill["from cache"] == 8
