"""The reference corpus of the benchmarks: documentation pages that Debian packages carry, as WARC, with the truth.

    python -m tests.bench.corpus OUT [--pages N] [--dirty SHARE] [--cache DIR]

OUT/warc/docs-NNN.warc.gz and OUT/truth.jsonl: a line a page with url, lang, package, kind, dup_of, and edit (the share
of the words that were changed). With Debian 12's packages of November 2026: 35,935 pages, 437 MB of HTML in 12
languages and more. 30,732 of them are LibreOffice's help: every figure here is one on pages with much in common.

`--dirty 0.2` adds one labelled bad page to every fifth page: a copy, a near-copy, spam, shuffled words, or made-up
personal data. Each choice comes from a hash of the page's address, so `--pages` and the order change none of them.
Needs Debian's apt-get and dpkg-deb; packages are downloaded once, into the cache.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from curate.llm.packaged import cache_root

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
# The builder of the shipped sample is a script: its modules import each other by plain name.
sys.path.insert(0, str(SAMPLE))
from build import LIBREOFFICE, member, unpacked  # noqa: E402
from damage import Page, edited  # noqa: E402

CACHE = cache_root() / "bench"
NUM_PAGES = 35_935
SITE = "http://docs.example.org"
SEED = 1
NUM_FILES = 8
MAX_PAGE_BYTES = 2_000_000
PACKAGES = [
    *(f"libreoffice-help-{code}" for code in LIBREOFFICE),
    "anarchism",
    "debian-handbook",
    *(f"debian-reference-{lang}" for lang in ("de", "en", "fr", "ja")),
    "postgresql-doc-15",
    "python3.11-doc",
]
EDITS = (0.01, 0.02, 0.05, 0.1)
# Of six bad pages, two are near-copies: they are what dedup is measured on.
DAMAGE = ("copy", "near_copy", "near_copy", "spam", "shuffled", "personal")
# Changing words takes time in proportion to places x different words; larger pages are copied whole.
MAX_EDITED_BYTES = 300_000
PERSONAL = (
    "<p>Write to Max Mustermann, max.mustermann{n}@example.com, call +44 20 7946 0{n:03d}, pay to "
    "GB33BUKB20201555555555 or by card 5555 5555 5555 4444; our server is 9.9.9.{n}.</p>"
)


@dataclass(frozen=True)
class Source:
    """A file of an unpacked package."""

    name: str
    """Path below the root, with / before it."""

    path: Path


def sources(root: Path, pages: int | None) -> list[Source]:
    """The HTML files of the packages in an order that a hash of `SEED` and the path gives; the first `pages`."""
    found = []
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names if name.endswith(".html")):
            if not path.is_symlink() and path.stat().st_size <= MAX_PAGE_BYTES:
                found.append(Source(f"/{path.relative_to(root)}", path))
    found.sort(key=lambda source: hashlib.sha256(f"{SEED}:{source.name[1:]}".encode()).digest())
    return found[:pages]


def page_of(source: Source) -> Page:
    """The page as UTF-8, whatever its bytes were."""
    parts = source.name.split("/")
    package = parts[parts.index("share") + 2 if parts[3] == "doc" else parts.index("share") + 1]
    body = source.path.read_bytes().decode("utf-8", "replace").encode()
    return Page(SITE + source.name, language_of(source.name), package, body)


def language_of(name: str) -> str:
    """Two-letter language by the folder or the ending of the file's name; en where neither says."""
    parts = name.split("/")
    code = "en"
    if "help" in parts[:-1]:
        code = parts[parts.index("help") + 1]
    elif "debian-handbook" in parts and "html" in parts[:-2]:
        code = parts[parts.index("html") + 1]
    elif ending := re.search(r"\.([a-z]{2})\.html$", name):
        code = ending.group(1)
    return code.split("-")[0]


def damaged(page: Page, n: int) -> Page:
    """A labelled bad page made from a good one, at an address of its own."""
    rng = random.Random(f"{SEED}:{page.url}")
    kind = rng.choice(DAMAGE)
    url = f"http://mirror{n % 7}.example.net/{n}{page.url.removeprefix(SITE)}"
    if kind == "spam":
        goods = ["watches", "pills", "loans", "followers", "bags"]
        lines = [f"Cheap {rng.choice(goods)}, order today, free delivery! $$$" for _ in range(rng.randint(5, 60))]
        return replace(page, url=url, kind=kind, body=_html("<br>".join(lines)))
    if kind == "shuffled":
        words = re.sub(r"<[^>]*>", " ", page.html).split()
        rng.shuffle(words)
        return replace(page, url=url, kind=kind, body=_html(" ".join(words)))
    if kind == "personal":
        body = page.html.replace("</body>", PERSONAL.format(n=n % 100) + "</body>", 1)
        return replace(page, url=url, kind=kind, body=body.encode())
    edit = rng.choice(EDITS)
    if kind == "near_copy" and len(page.body) <= MAX_EDITED_BYTES and _can_be_edited(page.html, edit):
        body = edited(page.html, edit, rng).encode()
        return replace(page, url=url, kind=kind, body=body, dup_of=page.url, edit=edit)
    return replace(page, url=url, kind="copy", dup_of=page.url, edit=0.0)


def _html(body: str) -> bytes:
    return f"<html><body><p>{body}</p></body></html>".encode()


def _can_be_edited(html: str, share: float) -> bool:
    """Whether the page has words enough that the share is at least one of them."""
    words = re.findall(r"[^\W\d_]{3,}", re.sub(r"<[^>]*>", " ", html))
    return len(words) * share >= 1 and len(set(words)) > 1


def record_of(page: Page) -> bytes:
    """The page as one gzip member with one WARC response record."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page.body)}\r\n\r\n"
    return member("response", page.url, "application/http; msgtype=response", head.encode() + page.body, "")


def truth_of(page: Page) -> str:
    """The page's line of truth.jsonl, without its end."""
    fields = ("url", "lang", "package", "kind", "dup_of", "edit")
    return json.dumps({name: getattr(page, name) for name in fields}, ensure_ascii=False)


def _made(numbered: tuple[int, Source, bool]) -> list[tuple[str, bytes, int]]:
    """Truth, record and bytes of HTML of a page and, where asked, of a bad one made from it."""
    n, source, with_damage = numbered
    page = page_of(source)
    pages = [page, damaged(page, n)] if with_damage else [page]
    return [(truth_of(p), record_of(p), len(p.body)) for p in pages]


def build(out: Path, *, pages: int | None = None, dirty: float = 0.0, cache: Path = CACHE) -> int:
    """Write the corpus below `out`; the number of pages. The same packages and arguments give the same bytes."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        sys.exit("apt-get and dpkg-deb not found: the corpus is made of Debian packages and is built on Debian 12")
    cache.mkdir(parents=True, exist_ok=True)
    try:
        root = unpacked(cache, PACKAGES)
    except subprocess.CalledProcessError as error:
        what = " ".join(map(str, error.cmd[:2]))
        sys.exit(f"{what} ended with {error.returncode}: run `apt-get update` first, on Debian 12")
    found = sources(root, pages)
    bar = int(dirty * 2**32)
    work = [(n, s, _draw(s.name) < bar) for n, s in enumerate(found)]
    (out / "warc").mkdir(parents=True, exist_ok=True)
    files = [(out / "warc" / f"docs-{i:03d}.warc.gz").open("wb") for i in range(NUM_FILES)]
    written = html_bytes = 0
    with ProcessPoolExecutor() as pool, (out / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for made in pool.map(_made, work, chunksize=50):
            for line, record, size in made:
                files[written % NUM_FILES].write(record)
                truth.write(line + "\n")
                written += 1
                html_bytes += size
    for file in files:
        file.close()
    (out / "complete").write_text(json.dumps({"pages": written, "html_bytes": html_bytes}) + "\n")
    return written


def _draw(name: str) -> int:
    """A page's lot, 0..2^32 - 1."""
    return int.from_bytes(hashlib.sha256(f"{SEED}:damage:{name}".encode()).digest()[:4])


@dataclass(frozen=True)
class Corpus:
    """A built corpus."""

    folder: Path
    pages: int
    html_bytes: int

    @property
    def warc(self) -> Path:
        """Folder of the WARC files."""
        return self.folder / "warc"


def corpus(*, pages: int | None = None, dirty: float = 0.0, cache: Path = CACHE) -> Corpus:
    """The corpus of these arguments, built into the cache where it is not there yet."""
    folder = cache / f"corpus-{pages or 'all'}-dirty{round(100 * dirty)}"
    if not (folder / "complete").exists():
        print(f"building {folder} (once)", file=sys.stderr)  # noqa: T201 - stdout is for figures
        shutil.rmtree(folder, ignore_errors=True)
        build(folder, pages=pages, dirty=dirty, cache=cache)
    facts = json.loads((folder / "complete").read_text())
    if pages is None and not dirty and facts["pages"] != NUM_PAGES:
        note = f"{facts['pages']} pages, not {NUM_PAGES}: Debian's packages changed, compare figures with care"
        print(note, file=sys.stderr)  # noqa: T201
    return Corpus(folder, facts["pages"], facts["html_bytes"])


def html_pages(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Address and HTML of every page of a built corpus, file by file."""
    for path in sorted(folder.glob("warc/*.warc.gz")):
        data = gzip.decompress(path.read_bytes())
        at = 0
        while at < len(data):
            head_end = data.index(b"\r\n\r\n", at) + 4
            head = data[at:head_end].decode()
            [url] = re.findall(r"(?m)^WARC-Target-URI: (.*)\r$", head)
            [length] = re.findall(r"(?m)^Content-Length: (\d+)\r$", head)
            block = data[head_end : head_end + int(length)]
            yield url, block[block.index(b"\r\n\r\n") + 4 :]
            at = head_end + int(length) + 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pages", type=int, help="the first N pages of the stable order; default: all")
    parser.add_argument("--dirty", type=float, default=0.0, help="share of pages that a bad one is made from, 0..1")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages are kept (%(default)s)")
    args = parser.parse_args()
    written = build(args.out, pages=args.pages, dirty=args.dirty, cache=args.cache)
    sys.stdout.write(f"{written} pages in {NUM_FILES} WARC files below {args.out}\n")


if __name__ == "__main__":
    main()
