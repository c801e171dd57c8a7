"""Words by language: what `make bench-filters` compares with datatrove's tokenizers on thousands of pages, in small."""

import pytest

from filters import TextBatch
from filters.word_rules import LANGUAGES, UNITS, listed, tables

CASES = {
    "eng_Latn": ("Don't (e.g. x/y): 5kg, state-of-art :)", "Do n't ( e.g. x / y ): 5 kg , state - of - art :)"),
    "deu_Latn": ("z.B. am 1. Mal-Ding, und/oder 12-13 »Ja«", "z.B. am 1. Mal-Ding , und / oder 12 - 13 » Ja «"),
    "fra_Latn": ("L'homme dit-il aujourd'hui un sous-titre à 50%", "L' homme dit -il aujourd'hui un sous-titre à 50 %"),
    "spa_Latn": ("bien-estar al 50% de 5kg, pág. 3", "bien-estar al 50% de 5 kg , pág. 3"),
    "ita_Latn": ("dell'arte a 90° e l'uomo", "dell' arte a 90° e l' uomo"),
    "por_Latn": ("R$5 no guarda-chuva/foo-bar", "R$ 5 no guarda-chuva / foo-bar"),
    "rus_Cyrl": ("т.е. 5кг, г-н и т.д.", "т.е. 5 кг , г-н и т.д."),  # noqa: RUF001  (Cyrillic is meant)
    "pol_Latn": ("dwu-osobowy kot... i 1.2", "dwu- osobowy kot . . . i 1 . 2"),
    "ces_Latn": ("Praha-západ, 5. října", "Praha - západ , 5 . října"),
}  # fmt: skip
HOSTILE = ["a" * 200_000 + "," * 200_000, "1" * 200_000 + "," * 200_000, "-" * 200_000, "a-" * 200_000, "d'" * 200_000]


@pytest.mark.parametrize("lang", CASES)
def test_words_are_those_of_the_language(lang: str) -> None:
    text, words = CASES[lang]
    batch = TextBatch.of([text], langs=[lang])
    assert batch.text_of(batch.words, 0) == words.split()


def test_each_document_has_the_words_of_its_own_language() -> None:
    texts = [text for text, _ in CASES.values()]
    batch = TextBatch.of(texts, langs=list(CASES))
    assert [batch.text_of(batch.words, i) for i in range(len(texts))] == [words.split() for _, words in CASES.values()]


@pytest.mark.parametrize("lang", [f"{code}_Latn" for code in LANGUAGES if code != "*"] + ["xxx_Latn"])
def test_words_of_hostile_chunks_hold_all_of_them(lang: str) -> None:
    batch = TextBatch.of(HOSTILE, langs=[lang] * len(HOSTILE))
    assert ["".join(batch.text_of(batch.words, i)) for i in range(len(HOSTILE))] == HOSTILE


def test_a_string_is_found_in_its_own_lists_only() -> None:
    _, lists = tables()
    data = TextBatch.of(["usw. km kn"]).data
    exceptions = {code: 1 << i for i, code in enumerate(LANGUAGES)}
    assert listed(data, 0, 4, lists, exceptions["deu"]) >= 0
    assert listed(data, 0, 4, lists, exceptions["eng"]) < 0
    assert listed(data, 5, 7, lists, UNITS) >= 0
    assert listed(data, 8, 10, lists, UNITS) < 0
