"""perdure state: get, clear, edit, patch the state of an object or workflow key.

A change carries the version of the state it was made for: if the state has changed since, the
server drops it.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click

from orchestrator.cli.arguments import Decorated, force_option, given_text, limit_option
from orchestrator.cli.choosing import count_of, where
from orchestrator.cli.client import path, text_literal
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.confirming import confirm
from orchestrator.cli.exits import EXIT_USAGE, CliError, ServerRefused
from orchestrator.cli.journals import VALUE_CHARS_SHOWN, short
from orchestrator.cli.near import hinting, service_meant
from orchestrator.cli.output import print_json, print_table, say
from orchestrator.cli.values import JsonError, changed, parse_object, show_value

StateValues = dict[str, bytes]
command = Noun("state", "The state of objects and workflows.")
_force = force_option("even if it changes meanwhile")


def _place(run: Decorated) -> Decorated:
    return click.argument("service")(click.argument("key")(run))


class _Place(NamedTuple):
    """A key whose state is read or changed."""

    asked: Asked
    service: str
    key: str

    def __str__(self) -> str:
        return f"{self.service}/{self.key}"


def _read(at: _Place) -> StateValues:
    """The stored bytes by name."""
    rows = at.asked.admin.query(
        "SELECT key, value FROM state WHERE"
        f" service_name = {text_literal(at.service)} AND service_key = {text_literal(at.key)}"
    )
    return {row["key"]: bytes.fromhex(row.get("value") or "") for row in rows}


def _write(at: _Place, old: StateValues, new: StateValues, force: bool) -> int:
    from orchestrator.machine.state_patch import state_version

    if new == old:
        print_json({"changed": False}) if at.asked.json else print("nothing to change")
        return 0
    body: dict[str, Any] = {
        "object_key": at.key,
        "new_state": {name: list(value) for name, value in new.items()},
    }
    if not force:
        body["version"] = state_version((name.encode(), value) for name, value in old.items())
    with hinting(lambda: service_meant(at.asked.admin, at.service)):
        at.asked.admin.ask("POST", path("services", at.service, "state"), body)
    if at.asked.json:
        print_json({"changed": True})
    else:
        print("accepted: it takes effect behind what runs on the key, if the state is still this")
    return 0


@command.verb("list", "Keys that have state.")
@click.argument("service", default="", help="of this service alone")
@limit_option(100)
def _list(asked: Asked, service: str, limit: int) -> int:
    matching = where([f"service_name = {text_literal(service)}"] if service else [])
    rows = asked.admin.query(
        "SELECT service_name, service_key, COUNT(1) AS n, SUM(value_length) AS bytes FROM state"
        f"{matching} GROUP BY service_name, service_key ORDER BY service_name, service_key"
        f" LIMIT {limit + 1}"
    )
    if service and not rows:
        _check_service(asked, service)
    if len(rows) > limit:
        say(f"the first {limit}: --limit shows more")
    found = [
        {
            "service": row["service_name"],
            "key": row["service_key"],
            "values": count_of(row),
            "bytes": int(row.get("bytes") or 0),
        }
        for row in rows[:limit]
    ]
    if asked.json:
        print_json(found)
    else:
        shown = [tuple(one.values()) for one in found]
        print_table(("SERVICE", "KEY", "VALUES", "BYTES"), shown, "no state")
    return 0


@command.verb("get", "The state of a key.")
@_place
@click.argument("name", default="", help="only this one, as it is stored")
def _get(asked: Asked, service: str, key: str, name: str) -> int:
    at = _Place(asked, service, key)
    state = _read(at)
    if name:
        return _get_one(at, state, name)
    values = {name: show_value(value) for name, value in sorted(state.items())}
    if not values:
        _check_service(asked, service)
    if asked.json:
        print_json(values)
    else:
        rows = [(name, short(value, VALUE_CHARS_SHOWN)) for name, value in values.items()]
        print_table(("NAME", "VALUE"), rows, f"no state under {at}")
    return 0


def _check_service(asked: Asked, service: str) -> None:
    """CliError for one that has no state, if it is a plain service or none at all."""
    try:
        found = asked.admin.get(path("services", service))
    except ServerRefused as error:
        if not error.is_unknown:
            raise
        hint = service_meant(asked.admin, service)
        said = f"there is no service {service!r}, and no state of it"
        raise CliError(f"{said}: {hint}" if hint else said) from None
    if found["ty"] == "Service":
        raise CliError(f"{service!r} is a plain service: it has no state")


def _get_one(at: _Place, state: StateValues, name: str) -> int:
    value = state.get(name)
    if value is None:
        raise CliError(f"there is no {name!r} under {at}")
    if at.asked.json:
        print_json(show_value(value))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
        sys.stdout.buffer.write(b"\n" if sys.stdout.isatty() else b"")
    return 0


@command.verb("clear", "Remove all state of a key, or some of it.")
@_place
@click.argument("names", metavar="NAME", nargs=-1, help="only these")
@click.option("--yes", is_flag=True, help="do not ask")
@_force
def _clear(
    asked: Asked, service: str, key: str, names: tuple[str, ...], yes: bool, force: bool
) -> int:
    at = _Place(asked, service, key)
    old = _read(at)
    missing = [name for name in names if name not in old]
    if missing:
        raise CliError(f"there is no {missing[0]!r} under {at}")
    gone = names or tuple(old)
    if gone and not yes:
        confirm(f"Remove {', '.join(gone)} of {at}?", "nothing was removed")
    return _write(at, old, {n: value for n, value in old.items() if n not in gone}, force)


@command.verb("edit", "Change the state of a key in an editor ($EDITOR).")
@_place
@_force
def _edit(asked: Asked, service: str, key: str, force: bool) -> int:
    at = _Place(asked, service, key)
    old = _read(at)
    before = {name: show_value(value) for name, value in sorted(old.items())}
    text = _edited(json.dumps(before, indent=2, ensure_ascii=False) + "\n")
    try:
        return _write(at, old, changed(old, parse_object(text)), force)
    except JsonError as error:
        kept = f"what you wrote is in {_kept(text)}"
        raise CliError(f"nothing was changed: {error}; {kept}") from None


def _kept(text: str) -> str:
    """A file with what a person has written."""
    number, path = tempfile.mkstemp(prefix="perdure-state-", suffix=".json")
    with open(number, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _edited(text: str) -> str:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if not editor and not sys.stdin.isatty():
        raise CliError("an editor needs a terminal: perdure state patch takes JSON", EXIT_USAGE)
    editor = editor or "vi"
    with tempfile.TemporaryDirectory(prefix="perdure-") as directory:
        file = Path(directory) / "state.json"
        file.write_text(text, encoding="utf-8")
        try:
            code = subprocess.call([*shlex.split(editor), str(file)])
        except (OSError, ValueError) as error:
            raise CliError(f"the editor {editor!r} cannot be started: {error}") from None
        if code:
            raise CliError(f"the editor ended with code {code}: nothing was changed")
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"nothing was changed: the edited file: {error}") from None


@command.verb("patch", "Set or remove (null) parts of the state of a key.")
@_place
@click.argument("patch", help='JSON like {"count": 3, "old": null}; - reads it from stdin')
@_force
def _patch(asked: Asked, service: str, key: str, patch: str, force: bool) -> int:
    at = _Place(asked, service, key)
    try:
        parts = parse_object(given_text(patch))
        old = _read(at)
        kept = {name: show_value(value) for name, value in old.items() if name not in parts}
        given = {name: value for name, value in parts.items() if value is not None}
        return _write(at, old, changed(old, kept | given), force)
    except JsonError as error:
        raise CliError(str(error), EXIT_USAGE) from None
