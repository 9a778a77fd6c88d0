"""Waits for the result of an invocation, and says meanwhile why it takes long."""

from threading import Event, Thread
from typing import Any, Final

from orchestrator.cli.client import Admin, path, text_literal
from orchestrator.cli.commands import Asked
from orchestrator.cli.exits import CliError
from orchestrator.cli.ingress import IngressClient
from orchestrator.cli.output import cell, first_line, say
from orchestrator.cli.web_address import HttpAnswer

LOOK_AFTER_S: Final = 3.0
LOOK_EVERY_S: Final = 2.0
_TOLD: Final = {
    "backing-off": "fails, and is tried again",
    "paused": "is paused",
    "pending": "waits for its key, which another invocation holds",
    "scheduled": "has not started: its time has not come",
}


def await_result(asked: Asked, identity: str) -> HttpAnswer:
    """The answer of the ingress. What is interrupted goes on, and the person is told how to find
    it again."""
    is_over = Event()
    Thread(target=_tell, args=(asked.admin, identity, is_over), daemon=True).start()
    try:
        at = path("restate", "invocation", identity, "attach")
        return IngressClient(asked).ask("GET", at)
    except KeyboardInterrupt:
        say(f"\nit goes on: perdure attach {identity}, or perdure invocations cancel {identity}")
        raise
    finally:
        is_over.set()


def _tell(admin: Admin, identity: str, is_over: Event) -> None:
    """Say when it fails, or waits for somebody; each thing once."""
    last, wait_s = "", LOOK_AFTER_S
    while not is_over.wait(wait_s):
        wait_s = LOOK_EVERY_S
        try:
            rows = admin.query(
                "SELECT status, last_failure FROM sys_invocation"
                f" WHERE id = {text_literal(identity)}"
            )
        except CliError:
            return  # it is only told what can be
        text = _text(rows[0]) if rows else ""
        if text and text != last and not is_over.is_set():
            say(f"{identity} {text} (perdure invocations describe {identity})")
        last = text


def _text(row: dict[str, Any]) -> str:
    told = _TOLD.get(str(row.get("status")))
    if told is None:
        return ""
    why = first_line(row.get("last_failure") or "")
    return f"{told}: {cell(why)}" if why else told
