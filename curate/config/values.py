"""What a value of the config may be: the types of its fields, each with the sentence that a wrong one gets."""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from curate import credentials
from curate.text.language_codes import near_code, normalise_code

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
Sees = Literal["head", "head_middle_tail"]
"""Which tokens of a text that is too long a model is shown."""

SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(i?)B", re.IGNORECASE)
MIN_MEMORY = 512_000_000
"""A worker has 400 MB of libraries, models and compiled kernels before its first document."""


def size(text: str) -> int:
    """Bytes of `2GB`, `512 MB` or `1.5GiB`. Raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if not found:
        shown = credentials.quoted(repr(text))
        raise ValueError(f"{shown} is no size; expected a number and a unit, such as 2GB or 512MB")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " "))


def enough_for_a_worker(value: int) -> int:
    """Refuse what a worker needs before its first document."""
    if value < MIN_MEMORY:
        raise ValueError(f"{value:,} bytes; a worker needs {MIN_MEMORY:,} before its first document")
    return value


Bytes = Annotated[Positive, BeforeValidator(lambda value: size(value) if isinstance(value, str) else value)]
"""A number of bytes, or a text such as `64MB`."""

WorkerMemory = Annotated[Bytes, AfterValidator(enough_for_a_worker)]


def one_or_many(value: object) -> object:
    """A single value as a tuple of one."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def local_path(value: object) -> object:
    """Refuse what no path on this machine looks like."""
    if isinstance(value, str) and "://" in value:
        raise ValueError(f"{credentials.redacted(value)}: an address; only local files, folders and globs so far")
    if isinstance(value, str) and ("\0" in value or not value):
        raise ValueError("empty, or with a NUL character; expected a path")
    return value


def _language(code: str) -> str:
    """`eng_Latn` of `en`."""
    full = normalise_code(code)
    if full is None:
        shown, near = credentials.quoted(repr(code)), near_code(code)
        hint = f"did you mean {near!r}? " if near else ""
        expected = "expected ISO 639, such as en, eng, eng_Latn or und"
        raise ValueError(f"{shown} is no language code known here; {hint}{expected}")
    return full


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """What to say of a name that is not known: the near miss, and all there are."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}there are: {', '.join(dict.fromkeys(known))}"


def _base_url(address: str) -> str:
    """Refuse what no base URL looks like, without quoting it: it may hold a password."""
    if not re.fullmatch(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s@?#/:]+)(:\d{1,5})?(/[^\s@?#]*)?", address):
        raise ValueError(
            "expected a base URL such as http://127.0.0.1:8000/v1, with no user, password or parameters; "
            f"{credentials.HINT}"
        )
    return address


def _cluster(address: str) -> str:
    """Refuse an address with a user or parameters, without quoting it."""
    if not re.fullmatch(r"[^\s@?#]+", address):
        raise ValueError(f"expected auto, HOST:PORT or ray://HOST:PORT, with no user or parameters; {credentials.HINT}")
    return address


Language = Annotated[str, AfterValidator(_language)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ClusterAddress = Annotated[str, AfterValidator(_cluster)]
LocalPath = Annotated[Path, BeforeValidator(local_path)]
LocalUri = Annotated[str, BeforeValidator(local_path)]


class Strict(BaseModel):
    """Frozen; a misspelt key is an error, and so are credentials in any value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*")
    @classmethod
    def no_credentials(cls, value: Any) -> Any:
        """Refuse an address with a password or key, and a NUL character, in a text, or a list or mapping of texts."""
        several = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else [value]
        for text in several:
            if isinstance(text, str):
                credentials.refuse(text)
                if "\0" in text:
                    raise ValueError("a NUL character; write the text without it")
        return value


def without_place(name: str) -> str:
    """The last part of an absolute path; any other name as it is."""
    return Path(name).name if os.path.isabs(name) else name
