"""HTML pages, each between two good records of a WARC: grammar gone wrong, charsets, and a snippet many times over."""

import gzip
from random import Random

from tests.curate.readers.objects import http, record
from tests.fuzz.case import Case, whole
from tests.fuzz.warc import words

TAGS = (  # noqa: SIM905 - a list of 110 strings is no easier to read
    "div p span b i a font table tr td th thead tbody caption col colgroup ul ol li dl dt dd h1 h2 h6 section article "
    "nav header footer aside main form input button select option optgroup textarea script style title noscript iframe "
    "svg g path foreignObject math mi mtext annotation-xml template object applet marquee body html head frameset "
    "frame br hr img pre code blockquote ruby rb rt rp rtc center em strong s small tt u big nobr details summary "
    "dialog xmp plaintext noembed noframes meta link base label video audio source track wbr area map param embed "
    "keygen image isindex listing search slot selectedcontent x-own a:b"
).split()
ENCODINGS = (
    "utf-8", "iso-8859-1", "windows-1252", "shift_jis", "euc-jp", "iso-2022-jp", "gb18030", "gbk", "big5", "euc-kr",
    "koi8-r", "utf-16", "utf-16le", "utf-7", "hz-gb-2312", "iso-2022-kr", "cp437", "utf-32",
)  # fmt: skip
CHARSETS = (
    *ENCODINGS, "x-user-defined", "replacement", "no such", "\x00", "..", "utf-8;", "'", "hex", "idna", "punycode",
    "undefined", "unicode_escape", "rot13", "mbcs", "x" * 5_000,
)  # fmt: skip
TEXTS = (
    "x", " ", "\n", "\r", "\t\t", "&amp;", "&#0;", "&#xD800;", "&#x110000;", "&#99999999999;", "&notanentity", "&", "<",
    ">", "</", "<!", "<?", "<!--", "-->", "--!>", "<![CDATA[", "]]>", "<!DOCTYPE html>", "\0", "\ufeff", "\ufffe",
    "日本語", "🙂", "a\u0301", "\u0301\u0323", "\u202e", "\u2028", "\x0c", "&nbsp;", "'", '"', "=", "/", "</p>",
    "</br>", "<a<b>", "\u0344", "\u1100\u1161", "\u200d", "ﬁ", "\x85", "\u00ad",
)  # fmt: skip
ATTRIBUTES = (
    "", "", " a", " a=b", ' class="x y"', " id='z'", " hidden", " style='display:none'", " =", ' "', " a='>'", " a=/",
    " class=nav", " role=navigation", " color=1", " charset=koi8-r", " http-equiv=content-type content='a; charset=x'",
    " aria-hidden=true", " /", " multiple", " selected", " href=x", " type=hidden", " CLASS=Footer", " class=wrapper",
)  # fmt: skip


def snippet(rng: Random) -> str:
    """Some markup, seldom well formed."""
    parts = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.random()
        if kind < 0.5:
            parts.append(f"<{rng.choice(TAGS)}{rng.choice(ATTRIBUTES)}{rng.choice(('>', '>', '>', '/>', ' ', ''))}")
        elif kind < 0.75:
            parts.append(f"</{rng.choice(TAGS)}>")
        else:
            parts.append(rng.choice(TEXTS))
    return "".join(parts)


def tree(rng: Random) -> str:
    """A page that grows from a few kinds of markup."""
    kinds = [snippet(rng) for _ in range(rng.randint(1, 6))]
    return "".join(rng.choices([*kinds, words(rng, 1, 20), "<p>" + words(rng, 1, 20)], k=rng.randint(1, 60)))


def many(rng: Random) -> str:
    """The same over and over, below or behind something that may stay open."""
    size = rng.choice((20_000, 100_000, 100_000, 300_000, 1_000_000))
    before = snippet(rng) * rng.choice((0, 0, 1, 100, 900, 3_000))
    unit = snippet(rng)
    if rng.random() < 0.2:
        unit = rng.choice(TEXTS) + rng.choice(TEXTS)
    return before[:500_000] + unit * (size // len(unit)) + snippet(rng)


def deep(rng: Random) -> str:
    """100,000 tags inside each other, or as deep as is allowed and something inside."""
    tag = rng.choice(TAGS)
    open_, close = f"<{tag}{rng.choice(ATTRIBUTES)}>", f"</{tag}>"
    number = rng.choice((100_000, 1_990, 500))
    if number == 100_000:
        return open_ * number + "x" + close * rng.choice((0, number))
    return open_ * number + snippet(rng) * rng.choice((10, 5_000)) + close * number


def wide(rng: Random) -> str:
    """Attributes: huge, many, or both."""
    number = rng.choice((10, 499, 501, 20_000))
    kind = rng.choice(("names", "same", "value", "values", "unclosed"))
    if kind == "names":
        return f"<p {' '.join(f'a{i}' for i in range(number))}>x" * rng.choice((1, 50))
    if kind == "same":
        return f"<p {'a ' * number}>x" * rng.choice((1, 50))
    if kind == "value":
        name, unit = (
            rng.choice(("class", "id", "style", "href", "x")),
            rng.choice(("a ", "nav-", "\n", "x", "display:")),
        )
        return f"<div {name}='{unit * 200_000}'>x</div>"
    if kind == "values":
        return "".join(f"<p a{i}='{'y' * (i % 3_000)}'>x" for i in range(number))
    return "<p " + "a='" * number


def encoded(rng: Random, text: str) -> tuple[bytes, str]:
    """(bytes, what the server says of them)."""
    charset = rng.choice(("utf-8", "utf-8", *ENCODINGS))
    data = text.encode(charset, "xmlcharrefreplace") if rng.random() < 0.9 else text.encode()
    declared = rng.choice(("", f"; charset={charset}", f"; charset={rng.choice(CHARSETS)}", "; charset"))
    meta = f'<meta charset="{rng.choice(CHARSETS)}">' if rng.random() < 0.2 else ""
    xml = f'<?xml version="1.0" encoding="{rng.choice(CHARSETS)}"?>' if rng.random() < 0.1 else ""
    mark = rng.choice((b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"+/v8"))
    return mark + (xml + meta).encode("utf-8") + data, declared


def meta_heavy(rng: Random) -> bytes:
    """What looks like the declaration of a charset, many times."""
    unit = rng.choice(
        (b"<meta ", b"<meta charset=", b"<?xml encoding=", b"charset =", b"charset=\"' ", b"<meta charset")
    )
    other = rng.choice((b" ", b"\n", b'"', b"charset=", b"<meta ", b"= ", b"=\t'"))
    return unit * rng.randint(1, 500) + other * rng.randint(1, 3_000) + b"<p>x"


def make(rng: Random) -> Case:
    """One page, in a WARC between two others."""
    kind = rng.choice((tree, tree, tree, tree, many, many, deep, wide, None))
    page, declared = encoded(rng, kind(rng)) if kind else (meta_heavy(rng), "")
    if rng.random() < 0.2 and len(page) < 100_000:
        changed = bytearray(page)
        for _ in range(rng.randint(1, 30)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        page = bytes(changed)
    declared = declared.replace("\0", "%00")
    headers = f"Content-Type: text/html{declared}\r\nContent-Encoding: gzip\r\n"
    first, last = (b"<p>the first page", b"<p>the last page")
    raws = [
        record(http(first), "http://m.example/first"),
        record(http(gzip.compress(page, 1, mtime=0), headers=headers), "http://m.example/page"),
        record(http(last), "http://m.example/last"),
    ]
    ends = [sum(map(len, raws[: i + 1])) for i in range(3)]
    wholes = (
        whole("http://m.example/first", first, (0, ends[0])), whole("http://m.example/last", last, (ends[1], ends[2])),
    )  # fmt: skip
    return Case(kind.__name__ if kind else "meta", b"".join(raws), "warc", None, wholes, count=3)
