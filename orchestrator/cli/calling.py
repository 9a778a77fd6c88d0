"""perdure invoke, send, attach, output: what a caller of handlers can do, from the command line."""

import contextlib
import json
import sys
from typing import Any, Final
from urllib.parse import urlencode

import click

from orchestrator.cli.arguments import Decorated, GivenPairs, pairs_option
from orchestrator.cli.awaiting import await_result
from orchestrator.cli.client import path
from orchestrator.cli.commands import Asked, Verb, single
from orchestrator.cli.exits import EXIT_USAGE, CliError, ServerRefused
from orchestrator.cli.ingress import IngressClient
from orchestrator.cli.near import handler_meant, service_meant
from orchestrator.cli.output import print_json, say
from orchestrator.cli.times import flag_duration_s
from orchestrator.cli.values import BINARY, show_value
from orchestrator.cli.web_address import HttpAnswer
from orchestrator.model.api_headers import JSON_TYPE
from orchestrator.model.values import KAFKA

_NO_RESULT_YET: Final = 470  # of the protocol, which takes long to load
_NEW: Final = "Accepted"


def _call(run: Decorated) -> Decorated:
    """What is called, and with what."""
    for option in (
        pairs_option("--header", "headers", "a header that the handler sees"),
        click.option("--content-type", help=f"of the body; {JSON_TYPE} must be JSON"),
        click.option("--idempotency-key", help="of calls with the same one, one is done"),
        click.option("--key", help="of the object or workflow"),
        click.argument("body", default=None, required=False, help="JSON; - reads it from stdin"),
        click.argument("target", metavar="SERVICE/HANDLER"),
    ):
        run = option(run)
    return run


@single("invoke", "Call a handler, and wait for its result.")
@_call
def _invoke(asked: Asked, target: str, **call: Any) -> int:
    """Sent, and then waited for: whoever interrupts it knows what goes on."""
    if target.strip("/").partition("/")[0] == KAFKA:  # of a send that is not awaited none is kept
        answer = _asked_for(asked, target, way="call", **call)
        return _print_result(asked, answer.headers["x-restate-id"], answer)
    sent = json.loads(_asked_for(asked, target, **call).body)
    if sent["status"] != _NEW:
        say("it was sent before, with the same key: this is its result")
    try:
        answer = await_result(asked, sent["invocationId"])
    except ServerRefused as error:
        raise _failed(target, error) from None
    return _print_result(asked, sent["invocationId"], answer)


@single("send", "Have a handler called, and do not wait for it.")
@_call
@click.option("--delay", metavar="TIME", help="not before this time has passed, like 10m")
def _send(asked: Asked, target: str, delay: str | None, **call: Any) -> int:
    if delay:
        flag_duration_s(delay, "--delay")
    found = json.loads(_asked_for(asked, target, delay, **call).body)
    if asked.json:
        print_json(found)
        return 0
    print(found["invocationId"])
    if found["status"] != _NEW:
        say("it was sent before, with the same key")
    elif at := found.get("executionTime"):
        say(f"it starts at {at}")
    else:
        say(f"accepted; for its result: perdure attach {found['invocationId']}")
    return 0


@single("attach", "Wait for the result of an invocation.")
@click.argument("identity", metavar="ID")
def _attach(asked: Asked, identity: str) -> int:
    return _print_result(asked, identity, await_result(asked, identity))


@single("output", "The result of an invocation, if there is one already; exit code 1 if not.")
@click.argument("identity", metavar="ID")
def _output(asked: Asked, identity: str) -> int:
    try:
        answer = IngressClient(asked).ask("GET", path("restate", "invocation", identity, "output"))
    except ServerRefused as error:
        if error.status != _NO_RESULT_YET:
            raise
        raise CliError(f"{identity} has no result yet: perdure attach waits for it") from None
    return _print_result(asked, identity, answer)


VERBS: Final[dict[str, Verb]] = {
    "invoke": _invoke,
    "send": _send,
    "attach": _attach,
    "output": _output,
}


def _asked_for(
    asked: Asked,
    target: str,
    delay: str | None = None,
    *,
    way: str = "send",
    body: str | None,
    key: str | None,
    idempotency_key: str | None,
    content_type: str | None,
    headers: GivenPairs,
) -> HttpAnswer:
    """Send it. A path below /restate says which of its words is a key."""
    at = path("restate", way) + _place(target, key)
    sent = dict(headers)
    if idempotency_key:
        sent["idempotency-key"] = idempotency_key
    content = _content(body, content_type)
    if content is not None:
        sent["content-type"] = content_type or JSON_TYPE
    query = f"?{urlencode({'delay': delay})}" if delay else ""
    try:
        return IngressClient(asked).ask("POST", at + query, content, sent)
    except ServerRefused as error:
        hint = _hint(asked, error, target, body, key)
        raise CliError(f"{error}{hint and f': {hint}'}") from None


def _failed(target: str, error: ServerRefused) -> CliError:
    return (
        CliError(f"{target} failed with {error.status}: {error}") if error.is_of_handler else error
    )


def _hint(
    asked: Asked, error: ServerRefused, target: str, body: str | None, key: str | None
) -> str:
    """What to write instead."""
    said, service = str(error), target.strip("/").partition("/")[0]
    if body is None and "content-type" in said:
        return f"{target} takes an input, give it as JSON behind the target"
    if "is called by" in said:
        return "name the key with --key" if "{key}" in said else f"{service} has no keys"
    if "did you mean" in said:
        return ""
    if error.is_unknown and said.startswith(f"service {service!r}"):
        return service_meant(asked.admin, service)
    if error.is_unknown and said.startswith("handler "):
        return handler_meant(asked.admin, service, target.strip("/").rpartition("/")[2])
    return ""


def _place(target: str, key: str | None) -> str:
    """The path of a target: Service/handler, or Service/key/handler."""
    parts = target.strip("/").split("/")
    if len(parts) == 2 and all(parts):
        named = [] if key is None else [key]
        return path(parts[0], *named, parts[1])
    if len(parts) == 3 and all(parts) and key is None:
        return path(*parts)
    raise CliError(
        f"{target!r} is no target: write SERVICE/HANDLER, and --key KEY for an object or workflow",
        EXIT_USAGE,
    )


def _content(body: str | None, content_type: str | None) -> bytes | None:
    if body is None:
        return None
    content = sys.stdin.buffer.read() if body == "-" else body.encode()
    if content_type in (None, JSON_TYPE):
        try:
            json.loads(content)
        except RecursionError:
            pass  # the server says how deep it may be
        except ValueError as error:
            quoted = json.dumps(body, ensure_ascii=False)
            hint = f"; as a text: '{quoted}'" if body != "-" and "'" not in quoted else ""
            raise CliError(f"the body is no JSON ({error}){hint}", EXIT_USAGE) from None
    return content


def _print_result(asked: Asked, identity: str, answer: HttpAnswer) -> int:
    if asked.json:
        print_json({"invocation_id": identity, "result": _value(answer)})
    else:
        _write(answer)
    return 0


def _value(answer: HttpAnswer) -> Any:
    """JSON as it is; other texts as texts, other bytes as base64 in an object."""
    if not answer.body:
        return None
    found = show_value(answer.body)
    if isinstance(found, dict) and list(found) == [BINARY]:
        with contextlib.suppress(UnicodeDecodeError):
            return answer.body.decode()
    return found


def _write(answer: HttpAnswer) -> None:
    """The bytes of a result as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(answer.body)
    if sys.stdout.isatty() and not answer.body.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
