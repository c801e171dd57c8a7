"""A page of the sample, and the labelled damage that build.py adds: copies, junk, and records that need care."""

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text

SITE = "https://docs.example.org"
# The words of these are not set apart by blanks, so "1 % of the words" has no plain meaning there.
NO_BLANKS = {"ja", "zh"}


@dataclass(frozen=True)
class Page:
    """A record to write and the truth about it."""

    url: str
    lang: str
    package: str
    body: bytes
    kind: str = "page"
    dup_of: str | None = None
    edit: float | None = None
    charset: str | None = "utf-8"
    mime: str = "text/html"
    status: str = "200 OK"
    encoding: str | None = None

    @property
    def html(self) -> str:
        """The page as text; pages taken from a package are UTF-8."""
        return self.body.decode()


def text_of(html: str) -> str:
    """Main text of a page, as a plain extraction gives it."""
    return str(extract_plain_text(html, main_content=True)).strip()


def edited(html: str, share: float, rng: random.Random) -> str:
    """`html` with exactly round(share x words) of the words outside tags, scripts and styles replaced by others."""
    parts = re.split(r"(?is)(<script.*?</script>|<style.*?</style>|<!--.*?-->|<[^>]*>|&\w+;)", html)
    places = [(i, m.span()) for i in range(0, len(parts), 2) for m in re.finditer(r"[^\W\d_]+", parts[i])]
    pool = sorted({parts[i][a:b] for i, (a, b) in places if b - a > 2})
    # From the last to the first, so that spans found before stay true.
    for i, (a, b) in sorted(rng.sample(places, max(1, round(share * len(places)))), reverse=True):
        parts[i] = parts[i][:a] + rng.choice([w for w in pool if w != parts[i][a:b]]) + parts[i][b:]
    return "".join(parts)


def mirrored(page: Page, n: int) -> str:
    """Another address for the page, as a mirror would have it."""
    return f"https://mirror{n % 5}.example.net{page.url.removeprefix(SITE)}"


def duplicates(pages: list[Page], rng: random.Random) -> Iterator[Page]:
    """Labelled copies: 20 exact, 20 with 1 % and 20 with 2 % of the words edited, 2 records that are stored twice."""
    long = [
        p for p in pages if p.lang not in NO_BLANKS and len(text_of(p.html).split()) >= 300 and len(p.body) < 30_000
    ]
    chosen = rng.sample(long, 42)
    for n, page in enumerate(chosen[:20]):
        yield replace(page, url=mirrored(page, n), kind="copy", dup_of=page.url, edit=0.0)
    near = rng.sample(long, 40)
    for n, page in enumerate(near):
        share = 0.01 if n % 2 else 0.02
        body = edited(page.html, share, rng).encode()
        yield replace(page, url=mirrored(page, n + 1), body=body, kind="near_copy", dup_of=page.url, edit=share)
    for page in chosen[40:]:
        yield replace(page, kind="same_record", dup_of=page.url, edit=0.0)


def junk(pages: list[Page], rng: random.Random) -> Iterator[Page]:
    """Labelled pages that a filter should refuse: 12 of spam, 10 with the words of a page shuffled."""
    openings = ["Buy now!", "Best price, free shipping.", "Limited offer!!!", "Click here to claim your prize."]
    goods = ["pills", "watches", "casino bonus", "cheap loans", "replica bags", "followers"]
    for n in range(12):
        lines = [f"{rng.choice(openings)} {rng.choice(goods)} {rng.choice(goods)} $$$" for _ in range(20 + 15 * n)]
        body = f"<html><head><title>Offer {n}</title></head><body><p>{'<br>'.join(lines)}</p></body></html>"
        yield Page(f"https://shop{n}.example.com/offer.html", "en", "made", body.encode(), kind="spam")
    english = [p for p in pages if p.lang == "en" and len(text_of(p.html).split()) >= 300 and len(p.body) < 20_000]
    for n, page in enumerate(rng.sample(english, 10)):
        words = text_of(page.html).split()
        rng.shuffle(words)
        body = f"<html><body><p>{' '.join(words)}</p></body></html>".replace("&", "&amp;").encode()
        yield replace(page, url=f"https://words.example.com/{n}.html", body=body, kind="shuffled")


def recoded(page: Page, charset: str, kind: str) -> Page:
    """`page` stored in a legacy charset, named in the HTTP header or only in the page."""
    html = re.sub(r"(?i)<meta[^>]*charset[^>]*>|^<\?xml[^>]*>\s*", "", page.html)
    if kind == "charset_meta":
        html = re.sub(r"(?i)<head[^>]*>", lambda m: f'{m.group()}<meta charset="{charset}">', html, count=1)
    path = page.url.removeprefix(SITE)
    url = f"https://legacy.example.net/{kind}{path}"
    return replace(page, url=url, body=html.encode(charset, "xmlcharrefreplace"), kind=kind, charset=charset)


def oddities(spare: dict[str, list[Page]], root: Path) -> Iterator[Page]:
    """Records that a reader must treat by kind: charsets, other statuses and types, encodings, WET, plain text."""
    yield recoded(spare["fr"].pop(), "iso-8859-1", "charset_header")
    yield recoded(spare["ru"].pop(), "windows-1251", "charset_header")
    yield recoded(spare["es"].pop(), "iso-8859-1", "charset_meta")
    yield recoded(spare["ja"].pop(), "euc-jp", "charset_meta")
    yield replace(spare["it"].pop(), kind="gzip_body", encoding="gzip")
    yield replace(spare["pl"].pop(), kind="chunked_body", encoding="chunked")
    wet = spare["en"].pop()
    yield replace(wet, body=text_of(wet.html).encode(), kind="conversion", mime="text/plain")
    source = "usr/share/doc/python3.11/html/_sources/tutorial/whatnow.rst.txt"
    text = (root / source).read_bytes()
    yield Page(f"{SITE}/{source}", "en", "python3.11-doc", text, kind="plain_text", mime="text/plain")
    gone = b"<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"
    yield Page(f"{SITE}/no/such/page.html", "en", "made", gone, kind="not_found", status="404 Not Found")
    # One grey pixel, written out by hand.
    pixel = zlib.compress(b"\x00\x80", 9)
    parts = [(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"), (b"IDAT", pixel), (b"IEND", b"")]
    chunks = [len(d).to_bytes(4) + k + d + zlib.crc32(k + d).to_bytes(4) for k, d in parts]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    yield Page(f"{SITE}/pixel.png", "und", "made", png, kind="image", mime="image/png", charset=None)
