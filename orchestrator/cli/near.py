"""Names that somebody may have meant who wrote another."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from orchestrator.cli.client import Admin, path, split_code
from orchestrator.cli.exits import CliError, ServerRefused
from orchestrator.cli.output import say

_NEAR_MAX = 3


def meant(word: str, known: Iterable[str]) -> str:
    """ "Did you mean …?", or "" if none is like it."""
    by_small = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_small, _NEAR_MAX, 0.6)
    names = [repr(by_small[name]) for name in found]
    return f"did you mean {' or '.join(names)}?" if names else ""


def say_unknown_service(admin: Admin, name: str | None) -> None:
    """Whoever finds nothing of a service may have written another name."""
    if name is None:
        return
    known = _services(admin)
    if known is not None and name not in known:
        near = meant(name, known)
        say(f"there is no service {name!r}{near and f': {near}'}")


def service_meant(admin: Admin, name: str) -> str:
    """What to do about a service that is not there: a near one, or those that are."""
    known = _services(admin)
    if known is None:
        return ""
    if not known:
        return "nothing is registered here yet: perdure deployments register URI"
    return meant(name, known) or "perdure services list shows those that are there"


def handler_meant(admin: Admin, service: str, name: str) -> str:
    """A handler that is written nearly like this."""
    try:
        found = admin.get(path("services", service))
    except CliError:
        return ""
    return meant(name, (one["name"] for one in found["handlers"]))


def _services(admin: Admin) -> list[str] | None:
    """The names of all; None if they cannot be told now: a hint is worth no error."""
    try:
        return [one["name"] for one in admin.get("/services")["services"]]
    except CliError:
        return None


@contextmanager
def hinting(hint: Callable[[], str]) -> Iterator[None]:
    """What the server does not know is told with a hint."""
    try:
        yield
    except ServerRefused as error:
        if not error.is_unknown or not (more := hint()):
            raise
        text, code = split_code(str(error))
        raise CliError(f"{text}: {more}{code}") from None
