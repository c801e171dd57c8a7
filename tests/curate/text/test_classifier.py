"""Real fastText classifiers behind the measure: equal to the library, and as total as every other filter."""

import json
import random
import subprocess
import sys
from pathlib import Path

import fasttext
import numpy as np
import numpy.typing as npt
import pytest

from curate.errors import ModelError
from curate.text.classifier import FastTextClassifier
from curate.text.fasttext_file import MAGIC, describe
from filters import TextBatch, get
from tests.classifier import quality, trained
from tests.filters.test_adversarial import LONG, NUMBER, SEED, one
from tests.filters.test_contract import HOSTILE

TEXTS = [text for _, text in json.loads(Path("tests/data/golden/filters.json").read_text("utf-8"))["texts"]]
THREE = [("a", "ships and salt"), ("b", "nets and fish"), ("c", "grain and bread")] * 20


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quality(tmp_path_factory.mktemp("model") / "quality.bin")


@pytest.fixture(scope="module")
def model(path: Path) -> FastTextClassifier:
    return FastTextClassifier(path)


def measured(texts: list[str], model: FastTextClassifier, label: str = "__label__hq") -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = get("fasttext.probability").measure(TextBatch.of(texts), model=model, label=label)
    return values


def test_values_are_those_of_fasttext_as_dclm_reads_them(path: Path, model: FastTextClassifier) -> None:
    library, expected = fasttext.load_model(str(path)), []
    for text in TEXTS:
        (label,), (value,) = library.predict(" ".join(text.strip().splitlines()))
        expected.append(min(value, 1.0) if label == "__label__hq" else 1 - value)
    assert len(expected) >= 200
    values = measured(TEXTS, model)
    assert values.tolist() == expected
    assert 0 < (values > 0.5).sum() < len(values)


def test_the_number_of_the_other_label_is_what_is_left(model: FastTextClassifier) -> None:
    both = measured(TEXTS, model) + measured(TEXTS, model, "__label__cc")
    assert np.abs(both - 1).max() <= 1e-12


@pytest.mark.parametrize("loss", ["softmax", "hs", "ns", "ova"])
def test_of_more_labels_or_of_labels_on_their_own_each_has_the_librarys_number(tmp_path: Path, loss: str) -> None:
    for labels in ("abc", "ab"):
        labelled = [pair for pair in THREE if pair[0] in labels]
        path = trained(tmp_path / f"{labels}.bin", labelled, loss=loss)
        library, ours = fasttext.load_model(str(path)), FastTextClassifier(path)
        for label in labels:
            line = "salt and fish or bread"
            expected = dict(zip(*library.predict(line, k=-1), strict=True))[f"__label__{label}"]
            assert measured([line], ours, f"__label__{label}")[0] == pytest.approx(expected, abs=3e-5)


def test_the_same_alone_in_a_batch_in_any_order_and_from_another_copy(path: Path, model: FastTextClassifier) -> None:
    whole = measured(HOSTILE, model)
    assert [measured([text], model)[0] for text in HOSTILE] == whole.tolist()
    assert measured(HOSTILE[::-1], FastTextClassifier(path)).tolist() == whole.tolist()[::-1]
    assert measured([], model).shape == (0,)


def test_another_process_gives_the_same_and_says_nothing(path: Path, model: FastTextClassifier) -> None:
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom curate.text.classifier import FastTextClassifier\n"
        "model = FastTextClassifier(Path(sys.argv[1]))\n"
        "print(json.dumps(model.probabilities(json.load(sys.stdin), '__label__hq').tolist()))"
    )
    lines = [" ".join(text.strip().splitlines()) for text in TEXTS]
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], input=json.dumps(lines), capture_output=True, text=True, check=True
    )
    assert (json.loads(done.stdout), done.stderr) == (measured(TEXTS, model).tolist(), "")


def test_every_text_has_a_finite_number_within_reach(model: FastTextClassifier) -> None:
    draw = random.Random(SEED)
    texts = [one(draw) for _ in range(NUMBER)] + HOSTILE + list(LONG.values())
    values = measured(texts, model)
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1


def test_line_ends_and_nul_part_words_and_an_end_mark_ends_the_text(model: FastTextClassifier) -> None:
    plain, *others = measured(
        [
            "buy pills now",
            "buy\npills\r\nnow\n",
            "buy\u2028pills\x85now",
            "buy\0pills\tnow",
            "buy pills now </s> harbour",
        ],
        model,
    ).tolist()
    assert others == [plain] * 4


def test_a_line_of_which_the_model_knows_nothing_is_unlikely(tmp_path: Path) -> None:
    """fastText has no guess for it: the model has seen no line end either."""
    lines = tmp_path / "lines.txt"
    lines.write_text("__label__hq __label__cc one two")
    fasttext.train_supervised(str(lines), dim=2, thread=1, verbose=0).save_model(str(tmp_path / "m.bin"))
    assert measured(["", "five"], FastTextClassifier(tmp_path / "m.bin")).tolist() == [0.0, 0.0]


def test_labels_are_read_without_loading_the_model(path: Path, tmp_path: Path) -> None:
    assert set(describe(path).labels) == {"__label__hq", "__label__cc"}
    assert describe(path).shares
    assert not describe(trained(tmp_path / "ova.bin", THREE, loss="ova")).shares


def test_every_cut_of_a_model_is_refused_and_none_reaches_the_library(tmp_path: Path) -> None:
    """fastText takes most of them without a word and dies of the first prediction."""
    whole = trained(tmp_path / "m.bin", THREE, dim=2, bucket=300)
    quantized = tmp_path / "m.ftz"
    library = fasttext.load_model(str(whole))
    library.quantize(input=str(whole.with_suffix(".txt")), qnorm=True)
    library.save_model(str(quantized))
    for path in (whole, quantized):
        data = path.read_bytes()
        assert set(FastTextClassifier(path).labels) == {"__label__a", "__label__b", "__label__c"}
        cut = tmp_path / "cut.bin"
        for size in range(len(data)):
            cut.write_bytes(data[:size])
            with pytest.raises(ModelError, match=r"cut\.bin: (cut|begins with)"):
                FastTextClassifier(cut)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "nothing"), (b"no model", "6e6f206d"), (MAGIC, "cut"), (MAGIC + b"\xff" * 500, r"no classifier|cut")],
)
def test_a_file_that_is_no_model_is_a_named_error(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"model\.bin: .*({said})"):
        FastTextClassifier(path)


def test_word_vectors_are_no_classifier(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("ships and salt and fish\n" * 20)
    fasttext.train_unsupervised(str(lines), dim=2, thread=1, bucket=10, verbose=0).save_model(str(tmp_path / "v.bin"))
    with pytest.raises(ModelError, match="word vectors, no classifier"):
        FastTextClassifier(tmp_path / "v.bin")
