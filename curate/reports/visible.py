"""Data as people are shown it: a URL or a file name must not steer a terminal, forge a line or turn what follows."""

LABEL_CHARS = 120
"""Of a licence or another name that a record brought along; it may be a whole page."""


def visible(text: str) -> str:
    """One line: every control, format (right-to-left override), line end and lone surrogate as its escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def label(text: str) -> str:
    """As `visible`, cut to LABEL_CHARS."""
    return visible(text if len(text) <= LABEL_CHARS else text[:LABEL_CHARS] + "…")


def prose(text: str) -> str:
    """Text of a document as it is, but for control characters; its line ends stay."""
    return "".join(c if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f") else repr(c)[1:-1] for c in text)


def markdown(text: str) -> str:
    """Data inside a Markdown table or list: one line, and nothing that is markup."""
    line = visible(" ".join(text.split()))
    for mark in "\\`*_{}[]<>|#":
        line = line.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return line


def markdown_code(name: str) -> str:
    """Data as a code span, in which a backslash would be seen: only what ends the span or the cell goes."""
    return f"`{visible(' '.join(name.split())).replace('`', '').replace('|', '/')}`"
