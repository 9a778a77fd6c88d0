"""How clients of a registered broker cluster are configured, and what may be given for them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator.kafka.options import OWNED
from orchestrator.kafka.secrets import UnresolvedReference, check_references, resolved
from orchestrator.runtime.kinds import HIDDEN
from orchestrator.runtime.secret_files import warn_of_open_file

BOOTSTRAP: Final = ("bootstrap.servers", "metadata.broker.list")
RESET: Final = "auto.offset.reset"
GROUP: Final = "group.id"
STARTING: Final = (RESET, GROUP)
"""Where a subscription starts and which group shows its lag: never told to a client."""

_SERVES_ONCE: Final = "The engine sets it, because each record counts exactly once."
_GIVEN: Final = {*BOOTSTRAP, *STARTING, "client.id"}
OWNED_OF_BROKERS: Final[Mapping[str, str]] = {
    name: _SERVES_ONCE if reason.startswith("Use ") else reason
    for name, reason in OWNED.items()
    if name not in _GIVEN
} | {"transaction.timeout.ms": _SERVES_ONCE, "queued.min.messages": OWNED["message.max.bytes"]}

OPTIONS_MAX: Final = 200
OPTION_CHARS_MAX: Final = 64 * 1024  # a chain of certificates, say
_FILE_BYTES_MAX: Final = 64 * 1024


class BadOption(ValueError):
    """An option that cannot be given, and why."""


def check_options(options: Mapping[str, str]) -> None:
    """Raise BadOption for what the engine keeps for itself and for what is no option at all."""
    if len(options) > OPTIONS_MAX:
        raise BadOption(f"there may be {OPTIONS_MAX} options, not {len(options)}")
    for name, value in options.items():
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            raise BadOption(f"{name[:100]!r} is not the name of an option")
        if len(value) > OPTION_CHARS_MAX:
            raise BadOption(f"the option {name} may have {OPTION_CHARS_MAX} characters")
        if "\0" in value:
            raise BadOption(f"the option {name} holds a NUL, which no option may")
        if name.endswith("_cb") or name in ("logger", "opaque"):
            raise BadOption(f"the option {name} cannot be given as text")
        reason = OWNED_OF_BROKERS.get(name)
        if reason is not None:
            raise BadOption(f"the option {name} cannot be set. {reason}")
        if name == RESET and value not in _RESETS:
            raise BadOption(f"{RESET} is one of {', '.join(_RESETS)}, not {value[:100]!r}")
        _check_references(name, value)


_RESETS: Final = {
    "earliest": "earliest",
    "smallest": "earliest",
    "beginning": "earliest",
    "latest": "latest",
    "largest": "latest",
    "end": "latest",
}


def reset_point(value: str) -> str:
    """`earliest` or `latest`, however `auto.offset.reset` says it."""
    return _RESETS[value]


def _check_references(name: str, value: str) -> None:
    try:
        check_references(name, value)
    except UnresolvedReference as error:
        raise BadOption(str(error)) from None


def check_bootstrap(options: Mapping[str, str]) -> None:
    if not any(options.get(name) for name in BOOTSTRAP):
        raise BadOption(f"{BOOTSTRAP[0]} is missing: the brokers, HOST:PORT separated by commas")


def merged(given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """`given`, where `***` stands for the value known before; BadOption if there is none."""
    whole = {}
    for name, value in given.items():
        if value == HIDDEN and name not in known:
            raise BadOption(f"{name}: {HIDDEN} stands for a value that is known, and there is none")
        whole[name] = known[name] if value == HIDDEN else value
    return whole


def client_options(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Options with everything they refer to. Reads files: not for the event loop.

    Raises UnresolvedReference.
    """
    return {
        name: resolved(name, value, os.environ, _read)
        for name, value in options
        if name not in STARTING
    }


def _read(path: str) -> str:
    warn_of_open_file(Path(path), "a secret of a broker cluster:")
    with Path(path).open("rb") as file:
        return file.read(_FILE_BYTES_MAX).decode()


def broker_config(options: Mapping[str, str], client_id: str) -> dict[str, Any]:
    """What every client of a broker cluster is made from; `options` without references."""
    return {
        "client.id": client_id,
        "reconnect.backoff.max.ms": "1000",
        **options,
        # The default of producers and admins is true: a look at a topic that is gone makes it.
        "allow.auto.create.topics": "false",
    }
