"""Answers of the ingress: statuses, header lines and bodies, ready to be written."""

import re
from datetime import UTC, datetime

import msgspec

from orchestrator.door.refusals import Refusal
from orchestrator.ingress.exchange import HttpReply, ReadAgain
from orchestrator.ingress.refusals import allow, status_of
from orchestrator.model.values import Failure, Outcome, OutputRules

NOT_READY = 470  # of the protocol: the result is not there yet

_JSON = b"content-type: application/json\r\n"
_BY_INGRESS = b"x-restate-error-source: ingress\r\n"
_BY_INVOCATION = b"x-restate-error-source: invocation\r\n"
_NO_HEADER = re.compile(r"[^\x20-\x7e]")
_to_json = msgspec.json.Encoder().encode

RESOLVED = HttpReply(202, b"", b"")
TOO_MANY_REQUESTS = "too many requests at the same time"
TOO_MANY_SIGNALS = "very many signals wait for this invocation already, and it takes none"


def preflight(lines: bytes) -> HttpReply:
    return HttpReply(200, lines, b"")


def content_type_line(output: OutputRules | None, is_empty: bool) -> bytes:
    """The content-type header of a result, as the handler declared it when it was made."""
    if output is None:
        return b"" if is_empty else _JSON
    if is_empty and not output.set_content_type_if_empty:
        return b""
    content_type = output.content_type
    if content_type == "application/json":
        return _JSON
    if not content_type or _NO_HEADER.search(content_type):
        return b""
    return b"content-type: " + content_type.encode() + b"\r\n"


def id_line(id_text: str) -> bytes:
    return b"x-restate-id: " + id_text.encode() + b"\r\n"


def result(
    outcome: Outcome,
    output: OutputRules | None,
    id_text: str,
    expires_at_ms: int,
    again: ReadAgain | None = None,
) -> HttpReply:
    """An outcome; `expires_at_ms` is not 0 for a stored one that was asked for again. `id_text` may
    be "": it is not named then."""
    headers = id_line(id_text) if id_text else b""
    if expires_at_ms:
        headers += b"idempotency-expires: " + rfc3339(expires_at_ms).encode() + b"\r\n"
    if isinstance(outcome, Failure):
        return _failed(outcome, headers)
    return HttpReply(200, headers + content_type_line(output, not outcome), outcome, again)


def _failed(failure: Failure, headers: bytes) -> HttpReply:
    # A code below 400 would make a failure look like a success to the client.
    status = failure.code if 400 <= failure.code <= 999 else 500
    body: dict[str, object] = {"code": failure.code, "message": failure.message}
    if failure.metadata:
        body["metadata"] = dict(failure.metadata)
    body["source"] = "invocation"
    return HttpReply(status, headers + _BY_INVOCATION + _JSON, _to_json(body))


def failure_reply(code: int, message: str, id_text: str) -> HttpReply:
    """A failure of the invocation that the engine reports rather than its handler."""
    return _failed(Failure(code, message), id_line(id_text))


def sent(id_text: str, created: bool, execution_at_ms: int) -> HttpReply:
    """A send was taken; `execution_at_ms` is 0 unless it is a delayed one, not started yet."""
    body = {"invocationId": id_text, "status": "Accepted" if created else "PreviouslyAccepted"}
    if execution_at_ms:
        body["executionTime"] = rfc3339(execution_at_ms)
    return HttpReply(202, id_line(id_text) + _JSON, _to_json(body))


def looked_up(id_text: str) -> HttpReply:
    return HttpReply(200, _JSON, _to_json({"invocationId": id_text}))


def healthy(services: list[str]) -> HttpReply:
    return HttpReply(200, _JSON, _to_json({"services": services}))


def refused(status: int, message: str, extra: bytes = b"") -> HttpReply:
    """An error of the ingress itself."""
    body = _to_json({"code": status, "message": message, "source": "ingress"})
    return HttpReply(status, _BY_INGRESS + _JSON + extra, body)


def not_allowed(methods: tuple[bytes, ...]) -> HttpReply:
    return refused(405, *allow(methods))


def body_too_large(limit_bytes: int) -> HttpReply:
    """The body of a request is larger than the node takes."""
    return refused(413, f"the body may have at most {limit_bytes} bytes")


def refusal_reply(refusal: Refusal) -> HttpReply:
    """What the door refused."""
    return refused(status_of(refusal.code), refusal.message)


def unavailable_reply(reason: str, retry_after_s: int) -> HttpReply:
    """Nothing was accepted: try again later."""
    return refused(503, reason, b"retry-after: %d\r\n" % retry_after_s)


def too_many(retry_after_s: int, waited_for: str = "") -> HttpReply:
    """More requests wait than may; with `waited_for`, for this alone."""
    why = f"too many callers wait for {waited_for}" if waited_for else TOO_MANY_REQUESTS
    return refused(429, why, b"retry-after: %d\r\n" % retry_after_s)


def ask_again(reason: str, retry_after_s: int, id_text: str) -> HttpReply:
    """It may have been accepted, and the same request sent again means the same invocation."""
    message = f"{reason}: send the same request again, it is for the same invocation"
    return refused(503, message, id_line(id_text) + b"retry-after: %d\r\n" % retry_after_s)


def unknown_fate(reason: str, id_text: str) -> HttpReply:
    """It may have been accepted: nobody should send it again blindly; the id tells."""
    return failure_reply(500, f"the fate of this invocation is not known here: {reason}", id_text)


def rfc3339(at_ms: int) -> str:
    """A time as RFC 3339 with milliseconds, in UTC; the last one there is for what is beyond."""
    at_ms = min(at_ms, 253_402_300_799_999)
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"
