"""`curate judge plan`: its table."""

from curate.judge_plan import JudgePlan


def table(plan: JudgePlan, name: str) -> str:
    """A line a figure, then a row a rubric."""
    about = "" if plan.is_exact else ", a token taken for 4 characters"
    lines = [
        f"{name}, from a sample of {plan.sampled:,} documents{about}",
        f"documents          {plan.documents:>15,}",
        f"pass the bounds    {plan.passing:>15,}   duplicates are not looked for",
        f"judged             {plan.judged:>15,}",
        f"requests           {plan.requests:>15,}   {plan.cached_share:.0%} of all are in the cache",
        f"prompt tokens      {plan.prompt_tokens:>15,}   +- {plan.prompt_tokens_error:,} (95 %)",
        f"completion tokens  {plan.completion_tokens:>15,}   at most",
    ]
    if plan.money is not None:
        lines.append(f"money              {plan.money:>15,.2f}   by llm.prices")
    if plan.seconds is not None:
        by = f"at {plan.tokens_per_second:,.0f} tokens/s a replica, {plan.replicas} of them"
        lines.append(f"time               {_duration(plan.seconds):>15}   {by}")
    else:
        lines.append("time                     unknown   give --rate tokens/s, or --measure to ask 20 questions")
    lines += [f"over llm.budget.{cap}: the run would pause there" for cap in plan.over]
    lines += [
        "",
        f"{'score':<20} {'rubric':<20} {'mode':<12} {'requests':>12} {'prompt tokens':>15} {'completion':>12}",
    ]
    lines += [
        f"{score:<20} {q.rubric:<20} {q.mode:<12} {q.requests:>12,} {q.prompt_tokens:>15,} {q.completion_tokens:>12,}"
        for score, q in plan.rubrics.items()
    ]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min" if seconds >= 600 else f"{seconds:,.0f} s"
