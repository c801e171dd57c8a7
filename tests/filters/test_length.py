from hypothesis import given, settings
from hypothesis import strategies as st

from filters import TextBatch, length


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_lengths_are_those_of_python(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    assert length.characters(batch).tolist() == [len(text) for text in texts]
    assert length.num_bytes(batch).tolist() == [len(text.encode()) for text in texts]
    assert length.words(batch).tolist() == [len(batch.text_of(batch.words, i)) for i in range(len(texts))]


def test_words_are_the_providers() -> None:
    assert length.words(TextBatch.of(["Hello, world!", "日本", ""])).tolist() == [4, 2, 0]
