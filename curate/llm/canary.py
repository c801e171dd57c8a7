"""Tiny questions whose answers tell whether the model behind a server is still the one that it was.

They are asked when a server is connected and after each batch of questions: the served name alone does not change when
other weights are loaded under it. Their answers are in no cache and no count of documents.
"""

from collections.abc import Sequence

from curate.llm.answers import DEFINITIVE, Answer, Form, Request, Sampling
from curate.llm.client import OpenAiClient

TOLERANCE = 0.3
"""Of a log-probability. A bfloat16 logit of 16 to 32 comes in steps of 0.125: beside 60 other questions the packaged
model's answers moved by up to 0.15, alone by nothing, in float32 by 0.11. With noise of 2 % of their spread on its
weights they moved by 0.24 (completion) and 0.81 (chat): another model is seen, one rounded otherwise may not be."""

_ASKED = (
    ("The capital of France is", (" Paris", " London")),
    ("Two plus two makes", (" four", " five")),
    ("The sun rises in the", (" east", " west")),
    ("Answer with one word. Is ice warmer than steam? Answer:", (" yes", " no")),
)


def questions(form: Form) -> list[Request]:
    """The same at all times."""
    return [
        Request(bytes(16), "canary", form, asked, Sampling(max_tokens=1, choices=choices)) for asked, choices in _ASKED
    ]


async def answers(client: OpenAiClient, form: Form) -> list[Answer]:
    """The model's answers, one after the other; without log-probabilities where the server gives none."""
    found = []
    for question in questions(form):
        answer = await client.ask(question)
        if answer.status == "malformed":
            plain = Sampling(max_tokens=1, choices=question.sampling.choices, with_logprobs=False)
            answer = await client.ask(Request(bytes(16), "canary", form, question.content, plain))
        found.append(answer)
    return found


def is_known(answer: Answer) -> bool:
    """Whether the model said something that can be compared."""
    return answer.status in DEFINITIVE


def differing(start: Sequence[Answer], end: Sequence[Answer]) -> int:
    """How many of the answers that are known of both differ: in a log-probability by more than TOLERANCE, else in the
    text.
    """
    both = zip(start, end, strict=True)
    return sum(_differ(a, b) for a, b in both if is_known(a) and is_known(b))


def _differ(start: Answer, end: Answer) -> bool:
    if not start.logprobs or not end.logprobs:
        return start.text != end.text
    # A token may change where two are as likely: their probabilities say so, and decide.
    return any(
        abs(start.logprobs[token] - end.logprobs[token]) > TOLERANCE
        if token in start.logprobs and token in end.logprobs
        else token in start.logprobs or token in end.logprobs
        for token in {*start.logprobs, *end.logprobs} & _CHOICES
    )


_CHOICES = {choice for _, choices in _ASKED for choice in choices}
