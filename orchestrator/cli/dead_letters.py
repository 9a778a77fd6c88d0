"""perdure dlq: list, show, redrive, drop dead letters."""

import argparse
import base64
from pathlib import Path
from typing import Any

from orchestrator.cli.client import EXIT_USAGE, Admin, CliError, path, text_literal
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns, count_to_show

_AT = ("perdure", "v1", "dead-letters")
_COLUMNS = "id, kind, reason, message, topic, topic_partition, topic_offset, created_at"


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "dlq", "dead letters: records that could not be used, or sent")
    listing = noun.verb("list", "The newest dead letters.", _list)
    listing.add_argument("--subscription", metavar="ID", help="only those of this subscription")
    listing.add_argument("--topic", help="only those of this topic")
    listing.add_argument(
        "--limit", type=count_to_show, default=100, metavar="N", help="how many: 100"
    )
    noun.verb("show", "One dead letter with its value.", _show)
    redrive = noun.verb("redrive", "Do again what failed; the dead letter is gone then.", _redrive)
    noun.verb("drop", "Forget dead letters.", _drop)
    noun.verbs("show")[0].add_argument("id")
    for verb in noun.verbs("redrive", "drop"):
        verb.add_argument("id", nargs="+")
    redrive.add_argument("--key", help="with this key instead of its own")
    redrive.add_argument("--sink", metavar="SERVICE/HANDLER", help="to this handler instead")
    redrive.add_argument("--value", metavar="TEXT", help="with this value instead of its own")
    redrive.add_argument("--value-file", type=Path, metavar="FILE", help="as --value, from a file")


def _list(args: argparse.Namespace, admin: Admin) -> int:
    wanted = [
        f"{column} = {text_literal(value)}"
        for column, value in (("subscription_id", args.subscription), ("topic", args.topic))
        if value
    ]
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    order = f" ORDER BY created_at DESC LIMIT {args.limit}"
    found = admin.query(f"SELECT {_COLUMNS} FROM sys_dead_letter{where}{order}")
    if args.json:
        print_json(found)
        return 0
    rows = [
        (one["id"], one["reason"], _where(one), one["created_at"], one["message"]) for one in found
    ]
    print_table(("ID", "REASON", "RECORD", "CREATED", "MESSAGE"), rows, "no dead letters")
    return 0


def _where(one: dict[str, Any]) -> str | None:
    if "topic_offset" not in one:
        topic: str | None = one.get("topic")
        return topic
    return f"{one['topic']}/{one['topic_partition']}/{one['topic_offset']}"


def _show(args: argparse.Namespace, admin: Admin) -> int:
    rows = admin.query(f"SELECT * FROM sys_dead_letter WHERE id = {text_literal(args.id)}")
    if not rows:
        raise CliError(f"there is no dead letter {args.id!r}")
    found = rows[0]
    if args.json:
        print_json(found)
        return 0
    value, text = found.pop("value", None), found.pop("value_utf8", None)
    print_fields(found)
    if value is not None:
        print(f"\n{text if text is not None else 'hex ' + value}")
    return 0


def _redrive(args: argparse.Namespace, admin: Admin) -> int:
    edits = _edits(args)
    done = []
    for one in args.id:
        found = admin.ask("POST", path(*_AT, one, "redrive"), edits)
        done.append(found)
        if not args.json:
            print(f"{one} is done again as {found['invocation_id']}")
    if args.json:
        print_json(done)
    return 0


def _edits(args: argparse.Namespace) -> dict[str, str]:
    edits = {"key": args.key, "sink": args.sink, "value_text": args.value}
    if args.value_file is not None:
        if args.value is not None:
            raise CliError("give --value or --value-file, not both", EXIT_USAGE)
        try:
            content = args.value_file.read_bytes()
        except OSError as error:
            raise CliError(f"{args.value_file} cannot be read: {error.strerror}") from None
        edits["value_base64"] = base64.b64encode(content).decode()
    given = {name: value for name, value in edits.items() if value is not None}
    if given and len(args.id) > 1:
        raise CliError("edits are for one dead letter at a time", EXIT_USAGE)
    return given


def _drop(args: argparse.Namespace, admin: Admin) -> int:
    for one in args.id:
        admin.ask("DELETE", path(*_AT, one))
        if not args.json:
            print(f"{one} is forgotten")
    if args.json:
        print_json({"dropped": args.id})
    return 0
