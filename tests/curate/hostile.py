"""What a stranger may call a page or a file, to steer a browser, a terminal, a table or a reader's eye."""

import html
import re

from markdown_it import MarkdownIt

HOSTILE = [
    "http://x.example/<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](http://x.example/pixel.png)",
    "http://x.example/\x1b[2Jgone",
    "http://x.example/\x9b31m",
    "http://x.example/\u202egpj.exe",
    "http://x.example/\u2066turned",
    "http://x.example/a\nKEPT: all is well",
    "http://x.example/a\u2028b",
    "http://x.example/nul\0end",
    "a|b|c # `code` *bold*",
    "'\" onmouseover=alert(1) x='",
]

PLAIN_TAGS = {"h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "ol", "ul", "li",
              "hr"}  # fmt: skip


def rendered(markdown: str) -> tuple[set[str], str]:
    """Tags and text of what a Markdown page is shown as, where HTML in it counts, as on Prefect's pages."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    return tags, html.unescape(re.sub(r"<[^>]*>", "", page))
