"""perdure state: get, clear, edit, patch the state of an object or workflow key.

A change carries the version of the state it was made for: if the state has changed since, the
server drops it.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from orchestrator.cli.client import EXIT_USAGE, Admin, CliError, path, text_literal
from orchestrator.cli.output import print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns
from orchestrator.cli.values import JsonError, changed, parse_object, show_value

StateValues = dict[str, bytes]


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "state", "the state of objects and workflows")
    get = noun.verb("get", "The state of a key.", _get)
    clear = noun.verb("clear", "Remove all state of a key, or some of it.", _clear)
    edit = noun.verb("edit", "Change the state of a key in an editor ($EDITOR).", _edit)
    patch = noun.verb("patch", "Set or remove (null) parts of the state of a key.", _patch)
    for verb in (get, clear, edit, patch):
        verb.add_argument("service")
        verb.add_argument("key")
    get.add_argument("name", nargs="?", help="only this one, as it is stored")
    clear.add_argument("names", nargs="*", metavar="name", help="only these")
    clear.add_argument("--yes", action="store_true", help="do not ask")
    patch.add_argument("patch", help='JSON like {"count": 3, "old": null}; - reads it from stdin')
    for verb in (clear, edit, patch):
        verb.add_argument("--force", action="store_true", help="even if it changes meanwhile")


def read_state(admin: Admin, service: str, key: str) -> StateValues:
    """The stored bytes by name."""
    rows = admin.query(
        "SELECT key, value FROM state WHERE"
        f" service_name = {text_literal(service)} AND service_key = {text_literal(key)}"
    )
    return {row["key"]: bytes.fromhex(row.get("value", "")) for row in rows}


def _write(args: argparse.Namespace, admin: Admin, old: StateValues, new: StateValues) -> int:
    from orchestrator.machine.state_patch import state_version

    if new == old:
        print_json({"changed": False}) if args.json else print("nothing to change")
        return 0
    body: dict[str, Any] = {
        "object_key": args.key,
        "new_state": {name: list(value) for name, value in new.items()},
    }
    if not args.force:
        body["version"] = state_version((name.encode(), value) for name, value in old.items())
    admin.ask("POST", path("services", args.service, "state"), body)
    if args.json:
        print_json({"changed": True})
    else:
        print("accepted: it takes effect behind what runs on the key, if the state is still this")
    return 0


def _get(args: argparse.Namespace, admin: Admin) -> int:
    state = read_state(admin, args.service, args.key)
    if args.name is not None:
        return _get_one(args, state)
    values = {name: show_value(value) for name, value in sorted(state.items())}
    if args.json:
        print_json(values)
    else:
        rows = [(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]
        print_table(("NAME", "VALUE"), rows, f"no state under {args.service}/{args.key}")
    return 0


def _get_one(args: argparse.Namespace, state: StateValues) -> int:
    value = state.get(args.name)
    if value is None:
        raise CliError(f"there is no {args.name!r} under {args.service}/{args.key}")
    if args.json:
        print_json(show_value(value))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
        sys.stdout.buffer.write(b"\n" if sys.stdout.isatty() else b"")
    return 0


def _clear(args: argparse.Namespace, admin: Admin) -> int:
    old = read_state(admin, args.service, args.key)
    missing = [name for name in args.names if name not in old]
    if missing:
        raise CliError(f"there is no {missing[0]!r} under {args.service}/{args.key}")
    gone = args.names or list(old)
    if gone and not args.yes:
        _confirm(f"Remove {', '.join(gone)} of {args.service}/{args.key}?")
    return _write(args, admin, old, {n: value for n, value in old.items() if n not in gone})


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise CliError(f"{question} Add --yes to say so.", EXIT_USAGE)
    print(f"{question} [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("nothing was removed")


def _edit(args: argparse.Namespace, admin: Admin) -> int:
    old = read_state(admin, args.service, args.key)
    before = {name: show_value(value) for name, value in sorted(old.items())}
    text = json.dumps(before, indent=2, ensure_ascii=False) + "\n"
    try:
        after = parse_object(_edited(text))
        return _write(args, admin, old, changed(old, after))
    except JsonError as error:
        raise CliError(f"nothing was changed: {error}") from None


def _edited(text: str) -> str:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
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


def _patch(args: argparse.Namespace, admin: Admin) -> int:
    try:
        text = sys.stdin.read() if args.patch == "-" else args.patch
    except UnicodeDecodeError as error:
        raise CliError(f"the input is not UTF-8: {error}", EXIT_USAGE) from None
    try:
        parts = parse_object(text)
        old = read_state(admin, args.service, args.key)
        wanted = {name: show_value(value) for name, value in old.items()}
        for name, value in parts.items():
            if value is None:
                wanted.pop(name, None)
            else:
                wanted[name] = value
        return _write(args, admin, old, changed(old, wanted))
    except JsonError as error:
        raise CliError(str(error), EXIT_USAGE) from None
