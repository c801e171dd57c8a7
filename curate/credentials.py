"""Credentials have no place in a config: they are refused there, and masked where a message quotes what it was given.

Values of a config go into manifests, cards, lineage and the Prefect database: what gets in gets out. A key belongs in
the environment, CURATE_LLM_API_KEY for `llm.endpoint`.
"""

import re

HINT = "a config holds no secret: set CURATE_LLM_API_KEY in the environment, which is the key for llm.endpoint"

NAMES = r"(?:api|access|auth)?[_-]?(?:key|token|secret|password|passwd|pwd|credentials?|auth|sig|signature)(?:[_-]?id)?"
"""Last words of what people call a secret: api_key, X-Amz-Signature, client_secret."""

IN_ADDRESS = re.compile(rf"://[^\s/?#]*@|://\S*[?&;#](?:[\w.-]*[_.-])?{NAMES}=", re.IGNORECASE)
"""A user name or password before the host, or a secret by name among the parameters."""

SECRET_NAME = re.compile(rf"(?:.*[_.-])?{NAMES}", re.IGNORECASE | re.DOTALL)

USER = re.compile(r"(:/{1,2})\S*@")
"""Up to the last @: a password may hold any character. A single / is what pathlib leaves of two."""

PARAMETERS = re.compile(r"(:/{1,2}[^\s?#]*)[?#]\S*")

BEFORE_AT = re.compile(r"[^\s'\"]+@")

TOKEN = re.compile(r"(?=[\w+=-]*[0-9])(?=[\w+=-]*[A-Za-z])[\w+=-]{20,}", re.ASCII)
"""What keys look like: 20 characters and more, letters and digits."""


def refuse(value: str) -> None:
    """Raise ValueError for a text with credentials in it; the message does not quote it."""
    if IN_ADDRESS.search(value):
        raise ValueError(f"an address with credentials in it; {HINT}")


def is_secret_name(name: str) -> bool:
    """Whether people give this name to a secret."""
    return SECRET_NAME.fullmatch(name) is not None


def redacted(text: str) -> str:
    """`text` with user, password and parameters of every address masked."""
    return PARAMETERS.sub(r"\1?***", USER.sub(r"\1***@", text))


def quoted(text: str) -> str:
    """As `redacted`, with all that looks like a key masked too: for values that stand where they do not belong."""
    return TOKEN.sub("***", BEFORE_AT.sub("***@", redacted(text)))
