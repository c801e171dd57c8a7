"""One spelling for the addresses of one page, so that they compare as equal: RFC 3986 section 6, and more.

    RFC 3986, 6.2.2   host in lower case, percent codes in upper case and undone for A-Z a-z 0-9 - . _ ~, what may not
                      stand in an address encoded (RFC 3987, 3.1), `.` and `..` parts resolved
    RFC 3986, 6.2.3   port 80 of http and 443 of https dropped, as an empty one, and the path `/` for none
    beyond it         http is https; `www.` is dropped, which with the move to https is why a page has two addresses in
                      crawls of different years; slashes at the end of a path, the fragment but for `#!`, parameters
                      that only say how a reader came and empty ones are dropped, the others are sorted

An IDNA host stays as it is written. Case of the path, repeated slashes within it, user names and the order in which one
parameter has its values make a difference.
"""

import re
from urllib.parse import quote

VERSION = 1
"""Results are stored under a key that holds it: bump it when a rule changes."""

TRACKING = frozenset({
    "_ga", "_gl", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "igshid", "msclkid", "yclid", "ysclid",
    "_openstat", "twclid", "ttclid", "li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "_hsenc", "_hsmi", "__hssc", "__hstc",
    "__hsfp", "hsctatracking", "oly_anon_id", "oly_enc_id", "vero_id", "vero_conv", "wickedid", "rb_clickid",
    "ml_subscriber", "ml_subscriber_hash", "__s",
})  # fmt: skip
"""Names, in lower case, of parameters that say how a reader came; `utm_` begins more of them. Sources: the query
filters of Brave and of Firefox, and the documented click identifiers of Google, Meta, Microsoft, Yandex, TikTok and
LinkedIn."""

_PLAIN = re.compile(
    r"https?://(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@-]*)*)/?", re.ASCII
)
"""An address whose one spelling is what stands between its scheme and a last slash. Most are."""

_PARTS = re.compile(r"(https?)://([^/?#\\]+)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.IGNORECASE | re.DOTALL)
_CODE = re.compile("%[0-9A-Fa-f]{2}")
_FOREIGN = re.compile(r"[^\w%!$&'()*+,;=:@/?#\[\].~-]", re.ASCII)
"""What is in no address but as a percent code."""

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = "%!$&'()*+,;=:@/?#[]"
_DEFAULT_PORT = {"http": "80", "https": "443"}


def one_spelling(url: str | None) -> str | None:
    """What equal addresses share, without the scheme; None for what is no http or https address with a host."""
    if not url:
        return None
    plain = _PLAIN.fullmatch(url)
    if plain and not plain[1].startswith("www."):
        return plain[1]
    found = _PARTS.fullmatch(url.strip())
    if not found:
        return None
    scheme, authority, path, query, fragment = found.groups()
    host = _host(scheme.lower(), authority)
    if host is None:
        return None
    spelled = host + _path(path)
    if query and (kept := _query(query)):
        spelled += f"?{kept}"
    return spelled + (f"#{_encoded(fragment)}" if fragment and fragment[0] == "!" else "")


def _host(scheme: str, authority: str) -> str | None:
    # White space stands in no host and port, and at an end of the address it would be lost.
    if authority.split() != [authority]:
        return None
    user, at, place = authority.rpartition("@")
    if place.startswith("["):
        host, bracket, port = place.partition("]")
        host, port = host + bracket, port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    host = host.lower().rstrip(".")
    # More than one `www.` goes, so that a spelling is its own spelling; of www.com nothing.
    while host.startswith("www.") and host.count(".") > 1:
        host = host[4:]
    if not host.strip("[]"):
        return None
    return user + at + host + (f":{port}" if port and port != _DEFAULT_PORT[scheme] else "")


def _path(path: str) -> str:
    path = _encoded(path.replace("\\", "/"))
    if "/." in path:
        parts: list[str] = []
        for part in path.split("/")[1:]:
            if part == "..":
                del parts[-1:]
            elif part != ".":
                parts.append(part)
        path = "/" + "/".join(parts)
    return path.rstrip("/")


def _query(query: str) -> str:
    """The parameters that stay, by name; the values of one name stay in their order."""
    named = [(_encoded(each).partition("=")[0], _encoded(each)) for each in query.split("&") if each]
    kept = [(name, each) for name, each in named if not _tracks(name.lower())]
    return "&".join(each for _, each in sorted(kept, key=lambda parameter: parameter[0]))


def _tracks(name: str) -> bool:
    return name.startswith("utm_") or name in TRACKING


def _encoded(text: str) -> str:
    """Percent codes in their one spelling; a lone surrogate and a `%` that begins no code stay what they are."""
    if _FOREIGN.search(text):
        text = quote(text, safe=_KEPT, errors="surrogatepass")
    return _CODE.sub(_decoded, text) if "%" in text else text


def _decoded(code: re.Match[str]) -> str:
    character = chr(int(code[0][1:], 16))
    return character if character in _UNRESERVED else code[0].upper()
