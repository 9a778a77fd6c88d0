"""Options that hold a secret: never shown, and given by value or by reference.

A reference is `${NAME}`, a variable of the server's environment, or `${file:/path}`, the content
of a file there without the line end. It may be a part of a value; `$${` stands for `${` itself.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from orchestrator.runtime.kinds import HIDDEN

_SECRET: Final = re.compile(
    r"password|passphrase|secret|token|credential|username|jaas|key\.pem|private\.key"
    r"|oauthbearer\.config"
)
_PLACE: Final = re.compile(r"(\.location|\.file|\.url|\.path)$")  # tells where a secret is
_REFERENCE: Final = re.compile(r"\$(\$?)\{([^{}]*)\}")
_FILE: Final = "file:"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HIDDEN_CHARS_MIN: Final = 3  # hiding a shorter one would hide words of the message, too


class UnresolvedReference(ValueError):
    """A reference to something that is not there; names the reference, never a value."""


def is_secret(option: str) -> bool:
    name = option.lower()
    return _SECRET.search(name) is not None and _PLACE.search(name) is None


def shown_options(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Options as people may see them."""
    return {name: HIDDEN if is_secret(name) and value else value for name, value in options}


def without_secrets(text: str, options: Mapping[str, str]) -> str:
    """A message of a library, which may repeat the value of an option."""
    hidden = {value for name, value in options.items() if is_secret(name)}
    for value in sorted(hidden, key=len, reverse=True):
        if len(value) >= _HIDDEN_CHARS_MIN:
            text = text.replace(value, HIDDEN)
    return text


def check_references(option: str, value: str) -> None:
    """Raise UnresolvedReference for a reference that can never be one."""
    for match in _REFERENCE.finditer(value):
        name = match[2]
        if not match[1] and not name.startswith(_FILE) and not _NAME.fullmatch(name):
            raise UnresolvedReference(
                f"{option} refers to ${{{name}}}, which is neither a variable like ${{NAME}} nor"
                f" a file like ${{{_FILE}/path}}: write $${{ for ${{ itself"
            )


def resolved(
    option: str, value: str, variables: Mapping[str, str], read: Callable[[str], str]
) -> str:
    """The value with what it refers to; raises UnresolvedReference. `read` raises OSError."""

    def found(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        name = match[2]
        if name.startswith(_FILE):
            return _content(option, name.removeprefix(_FILE), read)
        if name not in variables:
            raise UnresolvedReference(
                f"{option} refers to ${{{name}}}, which is no variable of the server's environment"
            )
        return variables[name]

    check_references(option, value)
    return _REFERENCE.sub(found, value)


def _content(option: str, path: str, read: Callable[[str], str]) -> str:
    try:
        return read(path).rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UnresolvedReference(
            f"{option} refers to the file {path}, which the server cannot read: {why}"
        ) from None
