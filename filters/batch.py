"""Many documents in one UTF-8 buffer: a filter walks bytes, never a Python object a word."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from filters import pieces
from filters.spans import Spans, read_only
from filters.unicode import CLASS
from filters.words import COMPILED_WORDS

T = TypeVar("T")


class WordProvider(Protocol):
    """What splits documents into words; `name` and `version` belong to the key of everything computed from them."""

    @property
    def name(self) -> str:
        """Unique among providers."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever a word could change."""
        ...

    def words(self, batch: "TextBatch", /) -> Spans:
        """Words of every document, in order, without overlaps."""
        ...


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Document i is data[offsets[i]:offsets[i + 1]], valid UTF-8. Nothing is copied: leave the buffers unchanged."""

    data: npt.NDArray[np.uint8]
    """uint8[bytes]"""

    offsets: npt.NDArray[np.int64]
    """int64[documents + 1], rising; need not start at 0 nor end at the end of data (a slice of an Arrow column)."""

    langs: Sequence[str] = ()
    """A language code per document, such as "eng_Latn"; empty: "und" for all."""

    provider: WordProvider = COMPILED_WORDS

    urls: Sequence[str] = ()
    """Where each document is from, as stored; "" for a document without an address; empty: none has one."""

    _memo: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", read_only(self.data, np.uint8, "TextBatch.data"))
        object.__setattr__(self, "offsets", read_only(self.offsets, np.int64, "TextBatch.offsets"))
        _check_offsets(self.offsets, len(self.data))
        if not self.langs:
            object.__setattr__(self, "langs", ("und",) * len(self))
        if not self.urls:
            object.__setattr__(self, "urls", ("",) * len(self))
        for name, given in (("langs: {} codes", self.langs), ("urls: {} addresses", self.urls)):
            if len(given) != len(self):
                found = name.format(len(given))
                raise ValueError(f"TextBatch.{found}, expected one for each of {len(self)} documents")

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        *,
        langs: Sequence[str] = (),
        words: WordProvider = COMPILED_WORDS,
        urls: Sequence[str] = (),
    ) -> Self:
        """A batch of Python strings: for tests and small inputs."""
        encoded = [text.encode() for text in texts]
        ends = accumulate(map(len, encoded), initial=0)
        offsets = np.fromiter(ends, np.int64, len(texts) + 1)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets, langs, words, urls)

    def with_texts(self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Self:
        """Other texts of the same documents, in their order."""
        if len(offsets) != len(self.offsets):
            raise ValueError(f"{len(offsets) - 1} texts, expected one for each of {len(self)} documents")
        return type(self)(data, offsets, self.langs, self.provider, self.urls)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def once(self, compute: Callable[["TextBatch"], T]) -> T:
        """compute(self), kept with the batch: filters that share a costly step pass the same function."""
        if compute not in self._memo:
            self._memo[compute] = compute(self)
        return cast("T", self._memo[compute])

    @property
    def words(self) -> Spans:
        """Words of the injected provider."""
        return self.once(_words)

    @property
    def lines(self) -> Spans:
        """`str.splitlines()`: LF, CR, CR LF, VT, FF, U+001C to U+001E, U+0085, U+2028, U+2029; none after the last."""
        return self.once(_lines)

    @property
    def newline_lines(self) -> Spans:
        """Pieces of `str.split("\\n")` that are not blank (`str.strip()` leaves something); ends are not stripped."""
        return self.once(_newline_lines)

    @property
    def paragraphs(self) -> Spans:
        """Pieces between runs of two or more LF of the stripped text: always at least one, empty for a blank text."""
        return self.once(_paragraphs)

    @property
    def newlines(self) -> npt.NDArray[np.int64]:
        """LF in each document."""
        return self.once(_newlines)

    @property
    def characters(self) -> npt.NDArray[np.int64]:
        """Code points of each document."""
        return self.once(_characters)

    def text_of(self, spans: Spans, document: int) -> list[str]:
        """The pieces of one document as strings: for tests and previews."""
        pieces_of = range(spans.first[document], spans.first[document + 1])
        return [self.data[spans.start[j] : spans.end[j]].tobytes().decode() for j in pieces_of]


def _words(batch: TextBatch) -> Spans:
    spans = batch.provider.words(batch)
    if len(spans.first) != len(batch) + 1:
        raise ValueError(
            f"word provider {batch.provider.name!r}: {len(spans.first) - 1} documents, expected {len(batch)}; "
            "return words for every document of the batch"
        )
    return spans


def _lines(batch: TextBatch) -> Spans:
    return Spans(*pieces.lines(batch.data, batch.offsets))


def _newline_lines(batch: TextBatch) -> Spans:
    return Spans(*pieces.newline_lines(batch.data, batch.offsets, batch.newlines, CLASS))


def _paragraphs(batch: TextBatch) -> Spans:
    stripped = pieces.stripped(batch.data, batch.offsets[:-1], batch.offsets[1:], CLASS)
    start, end = (read_only(places, np.int64, "stripped texts") for places in stripped)
    return Spans(*pieces.split_at_newlines(batch.data, start, end, batch.newlines, 2))


def _newlines(batch: TextBatch) -> npt.NDArray[np.int64]:
    return read_only(pieces.newlines_of(batch.data, batch.offsets), np.int64, "newlines")


def _characters(batch: TextBatch) -> npt.NDArray[np.int64]:
    return cast("npt.NDArray[np.int64]", pieces.characters(batch.data, batch.offsets[:-1], batch.offsets[1:]))


def _check_offsets(offsets: npt.NDArray[np.int64], num_bytes: int) -> None:
    """Kernels do not check indices, so an offset outside the buffer would read foreign memory."""
    if len(offsets) == 0:
        raise ValueError("TextBatch.offsets: 0 entries, expected documents + 1; pass [0] for no documents")
    if offsets[0] < 0 or offsets[-1] > num_bytes or (np.diff(offsets) < 0).any():
        raise ValueError(
            f"TextBatch.offsets: {offsets[0]}..{offsets[-1]}, expected rising values within 0..{num_bytes}; "
            "slice offsets and data of the Arrow column together"
        )
