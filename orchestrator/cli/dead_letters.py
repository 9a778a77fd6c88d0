"""perdure dlq: list, show, redrive, drop dead letters."""

import base64
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.arguments import limit_option
from orchestrator.cli.client import path, text_literal
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.output import print_fields, print_json, print_table, shown_lines

_AT = ("perdure", "v1", "dead-letters")
_COLUMNS = "id, kind, reason, message, topic, topic_partition, topic_offset, created_at"
_ALL_BUT_VALUES = (  # which may be large: `show` has them
    f"{_COLUMNS}, attempts, subscription_id, cluster, record_key, value_length,"
    " target_service_name, target_handler_name, target_service_key, invocation_id, publish_error"
)
command = Noun("dlq", "Dead letters: records that could not be used, or sent.")


@command.verb("list", "The newest dead letters.")
@click.option("--subscription", metavar="ID", help="only those of this subscription")
@click.option("--topic", help="only those of this topic")
@limit_option(100)
def _list(asked: Asked, subscription: str | None, topic: str | None, limit: int) -> int:
    wanted = [
        f"{column} = {text_literal(value)}"
        for column, value in (("subscription_id", subscription), ("topic", topic))
        if value
    ]
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    order = f" ORDER BY created_at DESC LIMIT {limit}"
    columns = _ALL_BUT_VALUES if asked.json else _COLUMNS
    found = asked.admin.query(f"SELECT {columns} FROM sys_dead_letter{where}{order}")
    if asked.json:
        print_json(found)
        return 0
    rows = [
        (one["id"], one["reason"], _where(one), one["created_at"], one["message"]) for one in found
    ]
    print_table(("ID", "REASON", "RECORD", "CREATED", "MESSAGE"), rows, "no dead letters")
    return 0


def _where(one: dict[str, Any]) -> str | None:
    if one.get("topic_offset") is None:
        topic: str | None = one.get("topic")
        return topic
    return f"{one['topic']}/{one['topic_partition']}/{one['topic_offset']}"


@command.verb("show", "One dead letter with its value.")
@click.argument("identity", metavar="ID")
def _show(asked: Asked, identity: str) -> int:
    rows = asked.admin.query(f"SELECT * FROM sys_dead_letter WHERE id = {text_literal(identity)}")
    if not rows:
        raise CliError(f"there is no dead letter {identity!r}: perdure dlq list has them")
    found = rows[0]
    if asked.json:
        print_json(found)
        return 0
    value, text = found.pop("value", None), found.pop("value_utf8", None)
    print_fields(found)
    if value is not None:
        print("\n" + "\n".join(shown_lines(text if text is not None else f"hex {value}")))
    return 0


@command.verb("redrive", "Do again what failed; the dead letter is gone then.")
@click.argument("ids", metavar="ID", nargs=-1, required=True)
@click.option("--key", help="with this key instead of its own")
@click.option("--sink", metavar="SERVICE/HANDLER", help="to this handler instead")
@click.option("--value", metavar="TEXT", help="with this value instead of its own")
@click.option(
    "--value-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="as --value, from a file",
)
def _redrive(
    asked: Asked,
    ids: tuple[str, ...],
    key: str | None,
    sink: str | None,
    value: str | None,
    value_file: Path | None,
) -> int:
    edits = {"key": key, "sink": sink, "value_text": value}
    if value_file is not None:
        if value is not None:
            raise CliError("give --value or --value-file, not both", EXIT_USAGE)
        edits["value_base64"] = _content(value_file)
    given = {name: edit for name, edit in edits.items() if edit is not None}
    if given and len(ids) > 1:
        raise CliError("edits are for one dead letter at a time", EXIT_USAGE)
    done = []
    for one in ids:
        found = asked.admin.ask("POST", path(*_AT, one, "redrive"), given)
        done.append(found)
        if not asked.json:
            print(f"{one} is done again as {found['invocation_id']}")
    if asked.json:
        print_json(done)
    return 0


def _content(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None


@command.verb("drop", "Forget dead letters.")
@click.argument("ids", metavar="ID", nargs=-1, required=True)
def _drop(asked: Asked, ids: tuple[str, ...]) -> int:
    for one in ids:
        asked.admin.ask("DELETE", path(*_AT, one))
        if not asked.json:
            print(f"{one} is forgotten")
    if asked.json:
        print_json({"dropped": list(ids)})
    return 0
