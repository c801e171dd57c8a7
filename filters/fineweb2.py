"""FineWeb-2's stop words by language: Penedo et al. 2025, arXiv:2506.20920; counted as Gopher's rule counts its eight.

The lists are those of github.com/huggingface/fineweb-2 (ODC-By 1.0), folder configs: its authors took the most frequent
words of each language's Wikipedia. English, which FineWeb-2 leaves to FineWeb, has Gopher's words.
NOT IMPLEMENTED: the lists of the other languages; FineWeb-2 has 1,929.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.gopher import STOP_WORDS
from filters.registry import Bounds, register

LISTS = {
    "ces_Latn": "v a se na je z s do",
    "cmn_Hani": "的 年 在 月 是 和 日 了 於 · 為 有 被 人 中 为 他 與 後 也 而 由",
    "deu_Latn": "der und die in von im den des mit das er dem als wurde für",
    "eng_Latn": " ".join(STOP_WORDS),
    "fra_Latn": "de la le et à en l' des du les est d' un une il dans par au",
    "ita_Latn": "di e il la in a del che è della un per nel l' con da i una",
    "jpn_Jpan": "の に を は た て が と で 年 し ・ 月 れ さ",
    "kor_Hang": "의 다 이 는 에 을 한 년 하 은 를 했 고 에서 가 있 으로 인 월 로 되",
    "pol_Latn": "w i na z do się roku od a jest przez po jako oraz o został był nie",
    "por_Latn": "de a e o em do da que um no uma com para na é foi",
    "rus_Cyrl": "в и на с года по году из был к не от что за для его как а он также до после",  # noqa: RUF001 (Russian)
    "spa_Latn": "de la en el y a que del los se por un con una las su",
}
"""Language -> its stop words, as they are written in a text."""

_NUMBER = {language: number for number, language in enumerate(LISTS)}
_WORDS = [word.encode() for words in LISTS.values() for word in words.split()]
_DATA = np.frombuffer(b"".join(_WORDS), np.uint8)
_ENDS = np.cumsum([len(word) for word in _WORDS])
_FIRST = np.cumsum([0, *(len(words.split()) for words in LISTS.values())])
"""Number of the first word of each language."""


@register(
    "fineweb2.stop_words",
    unit="different stop words, 0..22",
    source="FineWeb-2, arXiv:2506.20920",
    semantics="datatrove",
    version=1,
    high=float(np.diff(_FIRST).max()),
    default=Bounds(min=2),
)
def stop_words(batch: TextBatch) -> npt.NDArray[np.float64]:
    """How many stop words of the document's language are words of it, as written, 0..22; 0.0 for none or no list.

    Czech has 8, Chinese and Russian 22: with `by_language` a language without a list can be left without the bound.
    """
    language = np.array([_NUMBER.get(code, -1) for code in batch.langs], np.int64)
    words = batch.words
    found: npt.NDArray[np.int64] = _count(
        batch.data, words.start, words.end, words.first, language, _DATA, _ENDS, _FIRST
    )
    return found.astype(np.float64)


@njit(cache=True, nogil=True)
def _count(data, start, end, first, language, stop_data, stop_ends, stop_first):
    found = np.zeros(len(first) - 1, np.int64)
    longest = 0
    for k in range(1, len(stop_ends)):
        longest = max(longest, stop_ends[k] - stop_ends[k - 1])
    for i in range(len(found)):
        if language[i] < 0:
            continue
        low, high = stop_first[language[i]], stop_first[language[i] + 1]
        seen = np.int64(0)
        for j in range(first[i], first[i + 1]):
            if end[j] - start[j] <= longest:
                k = _which(data, start[j], end[j], stop_data, stop_ends, low, high)
                if k >= 0 and not seen >> (k - low) & 1:
                    seen |= np.int64(1) << (k - low)
                    found[i] += 1
    return found


@njit(cache=True, nogil=True)
def _which(data, start, end, stop_data, stop_ends, low, high):
    """Number of the stop word among low..high that the word is; -1 if none."""
    for k in range(low, high):
        begin = stop_ends[k - 1] if k else 0
        if stop_ends[k] - begin == end - start:
            d = 0
            while d < end - start and data[start + d] == stop_data[begin + d]:
                d += 1
            if d == end - start:
                return k
    return -1
