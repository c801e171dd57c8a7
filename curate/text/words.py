"""What splits documents into words. A language's own library is added here, in the engine: filters stay pure.

One provider serves a batch and reads `batch.langs`, so a table by language is a `WordProvider` too: its `name` and
`version` must change with whatever it holds, for both are part of the key under which measured values are kept.
"""

from filters import WordProvider
from filters.words import COMPILED_WORDS


def provider() -> WordProvider:
    """The words of all languages: the compiled rule."""
    return COMPILED_WORDS
