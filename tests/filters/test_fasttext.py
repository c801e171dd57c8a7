"""What the classifier is asked, whatever model it is; real models are in tests/curate/text/test_classifier.py."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from filters import TextBatch, get

PROBABILITY = get("fasttext.probability").measure


class Listener:
    """Notes what it is asked; its answers are 0, 1/n, 2/n and so on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.label = ""

    def probabilities(self, lines: Sequence[str], label: str, /) -> npt.NDArray[np.float64]:
        self.lines, self.label = list(lines), label
        return np.arange(len(lines)) / max(len(lines), 1)


@given(st.lists(st.text(alphabet=st.sampled_from("ab \n\r\t\x00\x0b\x0c\x1c\x85\u2028\u3000\ufeff🙂")), max_size=5))
def test_a_document_is_one_line_as_dclm_makes_it(texts: list[str]) -> None:
    model = Listener()
    values = PROBABILITY(TextBatch.of(texts), model=model, label="__label__a")
    assert model.lines == [" ".join(text.strip().splitlines()) for text in texts]
    assert all(len(line.splitlines()) <= 1 for line in model.lines)
    assert model.label == "__label__a"
    assert values.tolist() == [i / len(texts) for i in range(len(texts))]


def test_the_label_is_that_of_the_published_model_unless_the_config_says_otherwise() -> None:
    model = Listener()
    PROBABILITY(TextBatch.of(["a"]), model=model)
    assert model.label == "__label__hq"
