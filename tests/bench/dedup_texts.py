"""The texts of the reference corpus as extraction leaves them, in plain JSONL: what every tool of `dedup` reads."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from curate.config import ExtractConfig
from curate.text.language_codes import normalise_code
from curate.text.plain import NORMALISE_VERSION, TEXT_VERSION, html_to_text, normalise
from tests.bench.corpus import CACHE, Corpus, corpus, html_pages
from tests.bench.figure import note

FILES = 8
CHUNK = 200


@dataclass(frozen=True)
class Texts:
    """Files of lines with url, text and lang (`eng_Latn`, as the page's maker says)."""

    folder: Path
    documents: int
    text_bytes: int

    @property
    def jsonl(self) -> Path:
        """Folder of the files."""
        return self.folder / "jsonl"

    def files(self) -> list[list[dict[str, str]]]:
        """Every record, file by file."""
        return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in sorted(self.jsonl.glob("*"))]


def texts(*, pages: int | None = None, dirty: float = 0.0, cache: Path = CACHE) -> Texts:
    """The texts of the corpus of these arguments, made on first use. A page without text is left out."""
    folder = cache / f"texts{TEXT_VERSION}.{NORMALISE_VERSION}-{pages or 'all'}-dirty{round(100 * dirty)}"
    if not (folder / "complete").exists():
        note(f"extracting {folder} (once)")
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "jsonl").mkdir(parents=True)
        _extract(corpus(pages=pages, dirty=dirty, cache=cache), folder)
    return Texts(folder, **json.loads((folder / "complete").read_text()))


def _extract(built: Corpus, folder: Path) -> None:
    rows = map(json.loads, (built.folder / "truth.jsonl").read_text("utf-8").splitlines())
    language = {row["url"]: normalise_code(row["lang"]) for row in rows}
    files = [(folder / "jsonl" / f"texts-{i:03d}.jsonl").open("w", encoding="utf-8") for i in range(FILES)]
    written = text_bytes = 0
    with ProcessPoolExecutor() as pool:
        for chunk in pool.map(_texts_of, _chunks(html_pages(built.folder))):
            for url, text in chunk:
                row = {"url": url, "text": text, "lang": language[url]}
                files[written % FILES].write(json.dumps(row, ensure_ascii=False) + "\n")
                written += 1
                text_bytes += len(text.encode())
    for file in files:
        file.close()
    (folder / "complete").write_text(json.dumps({"documents": written, "text_bytes": text_bytes}) + "\n")


def _chunks(pages: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    while chunk := list(islice(pages, CHUNK)):
        yield chunk


def _texts_of(pages: list[tuple[str, bytes]]) -> list[tuple[str, str]]:
    found = [(url, html_to_text(html, "utf-8", ExtractConfig())) for url, html in pages]
    made = [(url, normalise(text)) for url, text in found if isinstance(text, str)]
    return [(url, text) for url, text in made if text.strip()]
