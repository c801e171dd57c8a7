"""Prompts: Markdown files with a YAML head; and documents made safe and short enough to stand in them.

A document is data. It stands between <text> and </text>, which are broken up inside it; so are the special tokens of
the model's tokenizer, which reach the model as plain characters; what is too long is cut by tokens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator
from tokenizers import Tokenizer

from curate import lineage
from curate.config.values import Sees, Strict
from curate.errors import ConfigError
from curate.llm.answers import TOP_LOGPROBS, Content, Form, Mode

FOLDER = Path(__file__).parent / "prompts"
FENCED = "<text>\n{text}\n</text>"
ANSWER = "{answer}"
GAP = "\n[...]\n"
HIDDEN = "..."
LATIN = "[A-Za-z\u00c0-\u024f\u1e00-\u1eff\u0300-\u036f]"

CHARS_PER_TOKEN = 2
"""Without a tokenizer (an endpoint's model) a document is cut at this many characters a token: English has 4, so half
of what would fit is used; Chinese has about 1, and what is too long then comes back as `over_long`."""

MAX_CHARS_PER_TOKEN = 32
"""With a tokenizer: characters that are looked at for each token allowed, so a huge document is not tokenised whole."""

PREPARED = 2
"""Version of how documents are made safe and short: it is in the key of every answer."""

PLACES = range(3)
"""Head, middle, tail."""

Tokens = tuple[str, Sequence[tuple[int, int]]]
"""A text and where its tokens stand in it (first character, one past the last)."""

CONTROL_TOKENS = re.compile(
    r"<\s{0,9}/?\s{0,9}text\s{0,9}>|<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>|</?(?:start|end)_of_(?:turn|image)>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>|</?(?:think|tool_call)>"
    r"|</?(?:s|pad|unk|bos|eos|mask|repo_?name|file_sep|filename|gh_stars|empty_output|(?:issue|jupyter|fim)_[a-z]+)>",
    re.IGNORECASE,
)
"""Our fences, and spellings of special tokens in common model families; a local tokenizer adds its own."""


class Prompt(Strict):
    """A prompt file: `{text}` stands for the document; the body of a completion ends with `{answer}`."""

    name: str
    version: int
    kind: Literal["judge", "synthesis"]
    form: Form
    source: str
    """The paper it follows, and how it was chosen."""

    variables: Mapping[str, str] = {}
    """Name -> text that stands for `{name}` in the body, unless the config says another."""

    choices: Mapping[str, float] = {}
    """Judge: answer -> value. In the modes first_token and reasoned each must be a token of its own."""

    hide_choices: bool = False
    """Judge: where a document names a choice, `...` stands instead. A small model answers with what it has just read:
    of 248 injections in bad texts 56 % passed the middle of the scale, 4 % with the choices hidden, at the same AUC.
    """

    mode: Mode = "first_token"
    """Judge: how the choices are asked for; see curate/judging/modes.py."""

    samples: Annotated[int, Field(ge=1, le=100)] = 8
    """Mode sampled: answers a text."""

    budget: Annotated[int, Field(ge=1)] = 256
    """Mode reasoned: tokens of reasoning, after which `final` is asked."""

    final: str = "Now give your answer, and nothing else."
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """Modes sampled and reasoned."""

    stop: tuple[str, ...] = ()
    """Synthesis: the answer ends before any of these."""

    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    frequency_penalty: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.0
    body: str

    @model_validator(mode="after")
    def parts_fit(self) -> Self:
        """Refuses what would only show when the first document is asked about."""
        if self.body.count("{text}") != 1 or FENCED not in self.body:
            raise ValueError("the body needs {text} once, on a line between <text> and </text>")
        if self.kind == "judge" and len(self.choices) < 2:
            raise ValueError("a judge needs at least two choices with their values")
        if self.kind == "judge" and len(set(self.choices.values())) < 2:
            raise ValueError("a judge needs at least two different values: with one every text has the same score")
        if self.hide_choices and not all(c.strip().isalpha() and len(c.strip()) > 1 for c in self.choices):
            raise ValueError("hide_choices: a choice is no word of two letters or more; numbers stand in every text")
        if self.mode == "whole_choice" and self.form != "completion":
            raise ValueError("mode whole_choice asks how likely a choice is after the prompt: form must be completion")
        if self.mode == "reasoned" and self.form != "chat":
            raise ValueError("mode reasoned asks a second question after the answer: form must be chat")
        for name in self.variables:
            if name in ("text", "answer") or f"{{{name}}}" not in self.body:
                raise ValueError(f"variables: {name!r} is not in the body as {{{name}}}, or no name of its own")
        if FENCED not in self.filled or self.filled.count("{text}") != 1:
            raise ValueError("variables: {text} stands in one of them")
        if self.kind == "synthesis" and self.choices:
            raise ValueError("choices are for judges; a synthesis answers in free text")
        if self.form == "completion" and not self.body.endswith(ANSWER):
            raise ValueError(f"the body of a completion ends with {ANSWER}")
        return self

    @cached_property
    def hash(self) -> str:
        """Of what can change an answer; not of name, version and source."""
        return lineage.key("prompt", self.model_dump(mode="json", exclude={"name", "version", "source"}))

    def render(self, document: str) -> str:
        """The prompt around a document that `Documents.prepare` made safe."""
        before, after = self.filled.removesuffix(ANSWER).split("{text}")
        return f"{before}{document}{after}"

    def hidden(self, text: str) -> str:
        """`text`, with its mentions of the choices hidden where that is asked for."""
        return self._choice.sub(HIDDEN, text) if self.hide_choices else text

    @cached_property
    def _choice(self) -> re.Pattern[str]:
        """A choice's word, its plural too; beside Chinese and the like no word ends, so only Latin letters go on."""
        words = "|".join(re.escape(choice.strip()) for choice in self.choices)
        return re.compile(rf"(?<!{LATIN})(?:{words})(?:e?s)?(?!{LATIN})", re.IGNORECASE)

    @cached_property
    def filled(self) -> str:
        """The body with its variables."""
        body = self.body
        for name, value in self.variables.items():
            body = body.replace(f"{{{name}}}", value)
        return body


def load(name: str, kind: Literal["judge", "synthesis"], variables: Mapping[str, str] | None = None) -> Prompt:
    """The shipped prompt `name`, or the file at that path; of its variables those named here have these texts. Raises
    ConfigError.
    """
    path = Path(name) if "/" in name or name.endswith(".md") else FOLDER / f"{name}.md"
    if not path.is_file():
        shipped = sorted(p.stem for p in FOLDER.glob("*.md"))
        raise ConfigError(f"prompt {name!r}: no file {path}; expected a path or one of {', '.join(shipped)}")
    try:
        parts = re.fullmatch(r"---\n(.*?)\n---\n(.*)", path.read_text(encoding="utf-8"), re.DOTALL)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    if parts is None:
        raise ConfigError(f"{path}: expected a YAML head between two lines of ---, then the prompt")
    try:
        said = {**yaml.safe_load(parts[1]), "body": parts[2].strip("\n")}
        own = {**said.get("variables", {})}
        prompt = Prompt.model_validate(said | {"variables": own | {n: (variables or {}).get(n, own[n]) for n in own}})
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if prompt.kind != kind:
        raise ConfigError(f"{path}: kind is {prompt.kind}, expected {kind}")
    return prompt


@dataclass(frozen=True)
class Prepared:
    """A document as it may stand in a prompt."""

    text: str
    seen: float
    """Share of the document's characters that stand here, 0..1."""


class Documents:
    """Makes documents safe and short for one model; `tokenizer` is None for a model that only an endpoint knows."""

    def __init__(self, tokenizer: Tokenizer | None) -> None:
        """Special tokens are read from the tokenizer once."""
        self.tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder() if tokenizer else {}
        self._special = {number for number, token in added.items() if token.special}
        self._chars_per_token = MAX_CHARS_PER_TOKEN if tokenizer else CHARS_PER_TOKEN

    def content(self, prompt: Prompt, text: str, max_tokens: int, sees: Sees = "head") -> Content:
        """`prompt` around `text`, prepared when it is looked at."""

        def made() -> tuple[str, float]:
            prepared = self.prepare(prompt.hidden(text), max_tokens, sees)
            return prompt.render(prepared.text), prepared.seen

        return Content((PREPARED, self._identity, max_tokens, sees), made)

    @cached_property
    def _identity(self) -> str:
        """Of what cuts the texts."""
        return lineage.key("tokenizer", self.tokenizer.to_str()) if self.tokenizer else "characters"

    def prepare(self, text: str, max_tokens: int, sees: Sees = "head") -> Prepared:
        """At most `max_tokens` tokens of `text`, with no fence and no special token in it: of its head, or of its head,
        middle and tail, a third each, with GAP between them (its tokens come on top). No character is cut in two.
        """
        window = text[: max_tokens * self._chars_per_token]
        safe, spans = self._tokens(window)
        if len(window) == len(text) and len(spans) <= max_tokens:
            return Prepared(safe, 1.0)
        if sees == "head" or max_tokens < len(PLACES):
            head = _piece(safe, spans, max_tokens, 0)
            # What was broken up is longer than it was: the share is of what it became.
            return Prepared(head, len(head) * len(window) / (max(1, len(safe)) * len(text)))
        return self._three(text, max_tokens // len(PLACES), (safe, spans) if len(window) == len(text) else None)

    def _three(self, text: str, max_tokens: int, whole: Tokens | None) -> Prepared:
        """`max_tokens` tokens at each place: of the `whole` text, or where that is too long of a window there."""
        if whole:
            parts = [(_piece(*whole, max_tokens, place), whole[0], len(text)) for place in PLACES]
        else:
            reach = max_tokens * self._chars_per_token  # thrice this is less than the text: windows do not overlap
            windows = [self._tokens(text[start:][:reach]) for start in (0, (len(text) - reach) // 2, len(text) - reach)]
            parts = [
                (_piece(*window, max_tokens, place), window[0], reach)
                for place, window in zip(PLACES, windows, strict=True)
            ]
        seen = sum(len(piece) * chars / max(1, len(safe)) for piece, safe, chars in parts)
        return Prepared(GAP.join(piece for piece, _, _ in parts), seen / len(text))

    def safe(self, text: str) -> str:
        """All of `text`, with no fence and no special token in it."""
        return self._tokens(text)[0]

    def count(self, content: str) -> int | None:
        """Tokens of `content`; None without a tokenizer."""
        return len(self.tokenizer.encode(content, add_special_tokens=False).ids) if self.tokenizer else None

    def check_choices(self, prompt: Prompt) -> None:
        """Raise ConfigError unless each choice is one token where one is asked for, and among the likeliest that a
        server tells, whatever it answers. Unknown without a tokenizer.
        """
        if self.tokenizer is None or prompt.mode not in ("first_token", "reasoned"):
            return
        before = prompt.render("A text.") if prompt.form == "completion" else ""
        pieces = sorted({choice[:end] for choice in prompt.choices for end in range(1, len(choice) + 1)})
        start, *tokens = (
            encoded.ids
            for encoded in self.tokenizer.encode_batch(
                [before, *(before + p for p in pieces)], add_special_tokens=False
            )
        )
        single = [p for p, ids in zip(pieces, tokens, strict=True) if ids[:-1] == start]
        for choice in prompt.choices:
            if choice not in single:
                raise ConfigError(
                    f"prompt {prompt.name}: choice {choice!r} is not one token of the model's after the prompt; name a "
                    "shorter word, and mind the blank before it, or use mode whole_choice"
                )
        if len(single) > TOP_LOGPROBS:
            raise ConfigError(
                f"prompt {prompt.name}: {len(prompt.choices)} choices and the pieces of them that the model has tokens "
                f"for are {len(single)} tokens ({', '.join(map(repr, single))}), and a server tells the {TOP_LOGPROBS} "
                "likeliest: a choice could be missing. Name fewer or shorter words, or use mode whole_choice"
            )

    def _tokens(self, text: str) -> Tokens:
        """`text` without fences and special tokens; without a tokenizer, a token is CHARS_PER_TOKEN characters."""
        safe = CONTROL_TOKENS.sub(lambda found: broken(found[0]), text)
        if self.tokenizer is None:
            return safe, [(n, n + CHARS_PER_TOKEN) for n in range(0, len(safe), CHARS_PER_TOKEN)]
        while True:
            encoded = self.tokenizer.encode(safe, add_special_tokens=False)
            found = [span for number, span in zip(encoded.ids, encoded.offsets, strict=True) if number in self._special]
            if not found:
                return safe, encoded.offsets
            for start, end in reversed(found):
                safe = safe[:start] + broken(safe[start:end]) + safe[end:]


def _piece(text: str, spans: Sequence[tuple[int, int]], number: int, place: int) -> str:
    """`number` tokens of `text`, which stand at `spans`; what another token has a byte of is left out."""
    number = min(number, len(spans))
    first = (len(spans) - number) * place // (len(PLACES) - 1)
    last = first + number
    start = max(spans[first][0], spans[first - 1][1]) if first else 0
    end = min(spans[last - 1][1], spans[last][0]) if last < len(spans) else len(text)
    return text[start:end]


def broken(token: str) -> str:
    """`token` with a space after its first character; a single character is dropped."""
    return f"{token[0]} {token[1:]}" if len(token) > 1 else ""
