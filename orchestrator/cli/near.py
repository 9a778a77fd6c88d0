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


def say_unknown_names(
    admin: Admin, service: str | None, handler: str | None, deployment: str | None
) -> None:
    """Whoever finds nothing may have written another name."""
    known = None if service is None and handler is None else _services(admin)
    if known is not None and service is not None and service not in known:
        _say_unknown(f"there is no service {service!r}", meant(service, known))
    elif known is not None and handler is not None:
        handlers = [one for name in known if service in (None, name) for one in known[name]]
        if handler not in handlers:
            what = "no service has a" if service is None else f"{service!r} has no"
            _say_unknown(f"{what} handler {handler!r}", meant(handler, handlers))
    if deployment is not None and not _is_deployment(admin, deployment):
        _say_unknown(f"there is no deployment {deployment!r}", "perdure deployments list has them")


def _say_unknown(what: str, hint: str) -> None:
    say(f"{what}{hint and f': {hint}'}")


def _is_deployment(admin: Admin, name: str) -> bool:
    """Also if it cannot be told now."""
    try:
        admin.get(path("deployments", name))
    except ServerRefused as error:
        return not error.is_unknown
    except CliError:
        return True
    return True


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


def _services(admin: Admin) -> dict[str, list[str]] | None:
    """The handlers of all, by name; None if they cannot be told now: a hint is worth no error."""
    try:
        return {
            one["name"]: [handler["name"] for handler in one["handlers"]]
            for one in admin.get("/services")["services"]
        }
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
