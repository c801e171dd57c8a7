"""Tiny questions whose answers tell whether the model behind a server is still the one that it was.

They are asked when a server is connected and after each batch of questions: the served name alone does not change when
other weights are loaded under it. Their answers are in no cache and no count of documents.
"""

import logging
import math
from collections.abc import Sequence

from curate.errors import ModelError
from curate.llm.answers import DEFINITIVE, Answer, Content, Form, Request, Sampling
from curate.llm.cache import ResponseCache
from curate.llm.client import OpenAiClient, OtherModel

log = logging.getLogger(__name__)

TOLERANCE = 0.3
"""Of a log-probability. A bfloat16 logit of 16 to 32 comes in steps of 0.125: beside 60 other questions the packaged
model's answers moved by up to 0.15, alone by nothing, in float32 by 0.11. With noise of 2 % of their spread on its
weights they moved by 0.24 (completion) and 0.81 (chat): another model is seen, one rounded otherwise may not be."""

SHIFT = 0.2
"""Of a token's probability, where any token may be the answer."""

_ASKED = (
    ("The capital of France is", (" Paris", " London")),
    ("Two plus two makes", (" four", " five")),
    ("The sun rises in the", (" east", " west")),
    ("Answer with one word. Is ice warmer than steam? Answer:", (" yes", " no")),
)


def questions(form: Form) -> list[Request]:
    """The same at all times."""
    return [
        Request(bytes(16), "canary", form, Content.plain(asked), Sampling(max_tokens=1, choices=choices))
        for asked, choices in _ASKED
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
        if answer.status in ("timeout", "unreachable"):
            break  # each would wait through all attempts
    return found + [found[-1]] * (len(_ASKED) - len(found))


class Canaries:
    """The answers of the model as it was met first, by any server of one Llm, and what came since they were last right.

    A process that is killed between an answer and its check leaves that answer in the cache.
    """

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache
        self._first: dict[Form, list[Answer]] = {}
        self._asked: set[Form] = set()
        """Forms in which the server of now was asked."""

        self.unconfirmed: list[bytes] = []
        """Keys that were put into the cache since."""

    def forget_server(self) -> None:
        """Another one will be connected; the first answers stay."""
        self._asked.clear()

    async def meet(self, client: OpenAiClient, forms: set[Form]) -> None:
        """Ask in those of `forms` in which this server was not asked. Raises ModelError as `confirm` does, where
        another server answered before.
        """
        for form in sorted(forms - self._asked):
            found = await answers(client, form)
            if client.is_gone:
                return
            self._asked.add(form)
            if form in self._first:
                self._compare(self._first[form], found, constrained=client.constrains)
            elif not any(is_known(answer) for answer in found):
                log.warning("%s: no canary question got an answer; a change of the model would not be seen", form)
            self._first.setdefault(form, found)

    async def confirm(self, client: OpenAiClient, *, is_ours: bool) -> None:
        """Ask again, and somebody else's server for its model's name. Raises ModelError, and takes what is unconfirmed
        out of the cache, where the name or an answer differs.
        """
        if not self.unconfirmed:
            return
        if not is_ours:
            try:
                await client.check_server()
            except OtherModel:
                self._take_back()
                raise
        for form in sorted(self._asked):
            found = await answers(client, form)
            if client.is_gone:
                return  # a server of ours, whose process had one set of weights as long as it lived
            self._compare(self._first[form], found, constrained=client.constrains)
        self.unconfirmed.clear()

    def _compare(self, first: Sequence[Answer], again: Sequence[Answer], *, constrained: bool) -> None:
        if any(map(is_known, first)) and not any(map(is_known, again)):
            raise ModelError(f"the model answers no canary question any more ({again[0].status} {again[0].detail})")
        if not (differ := differing(first, again, constrained=constrained)):
            return
        number = self._take_back()
        raise ModelError(
            f"the model answered {differ} of {len(first)} canary questions otherwise at the end than at the start: "
            f"swapped, or restarted with other weights. Its last {number} answers were taken out of the cache; see to "
            "it that the model of the config is served, name another revision where it is another, and run again"
        )

    def _take_back(self) -> int:
        self._cache.remove(self.unconfirmed)
        number = len(self.unconfirmed)
        self.unconfirmed.clear()
        return number


def is_known(answer: Answer) -> bool:
    """Whether the model said something that can be compared."""
    return answer.status in DEFINITIVE


def differing(start: Sequence[Answer], end: Sequence[Answer], *, constrained: bool = True) -> int:
    """How many of the answers that are known of both differ: in a choice's log-probability by more than TOLERANCE,
    where nothing was `constrained` in any token's probability by more than SHIFT, without either in the text.
    """
    both = zip(start, end, strict=True)
    return sum(_differ(a, b, constrained=constrained) for a, b in both if is_known(a) and is_known(b))


def _differ(start: Answer, end: Answer, *, constrained: bool) -> bool:
    if not start.logprobs or not end.logprobs:
        return start.text != end.text
    if not constrained:
        # The choices may be in the tail, or be none of the likeliest: there log-probabilities say little.
        p, q = ({token: math.exp(value) for token, value in found.items()} for found in (start.logprobs, end.logprobs))
        return any(abs(p.get(token, 0.0) - q.get(token, 0.0)) > SHIFT for token in {*p, *q})
    # A token may change where two are as likely: their probabilities say so, and decide.
    return any(
        abs(start.logprobs[token] - end.logprobs[token]) > TOLERANCE
        if token in start.logprobs and token in end.logprobs
        else token in start.logprobs or token in end.logprobs
        for token in {*start.logprobs, *end.logprobs} & _CHOICES
    )


_CHOICES = {choice for _, choices in _ASKED for choice in choices}
