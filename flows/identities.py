"""Identities of documents and texts, as people give them on the command line."""

BYTES = 16


def identity(option: str, value: str) -> bytes:
    """The 16 bytes of 32 hex digits. Raises ConfigError, which names the option."""
    from curate.errors import ConfigError

    try:
        found = bytes.fromhex(value)
    except ValueError:
        found = b""
    if len(found) != BYTES:
        raise ConfigError(f"{option} {value!r}: expected {2 * BYTES} hex digits, as `curate explain` shows them")
    return found
