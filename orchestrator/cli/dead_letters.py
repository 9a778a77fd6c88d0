"""perdure dlq: list, show, redrive, drop dead letters."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.arguments import Decorated, limit_option
from orchestrator.cli.choosing import where
from orchestrator.cli.client import path, text_literal
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.confirming import confirm
from orchestrator.cli.exits import EXIT_USAGE, CliError, ServerRefused
from orchestrator.cli.output import print_fields, print_json, print_table, say, shown_lines

_AT = ("perdure", "v1", "dead-letters")
_COLUMNS = "id, kind, reason, message, topic, topic_partition, topic_offset, created_at"
_ALL_BUT_VALUES = (  # which may be large: `show` has them
    f"{_COLUMNS}, attempts, subscription_id, cluster, record_key, value_length,"
    " target_service_name, target_handler_name, target_service_key, invocation_id, publish_error"
)
_TABLE: Final = "sys_dead_letter"
_EQUAL: Final = ("topic", "reason")
_SAID_MAX: Final = 100  # letters of which each is told
_Result = dict[str, str]
"""What became of one: its id, and what it is now or an error."""
command = Noun("dlq", "Dead letters: records that could not be used, or sent.")


def _choosing(run: Decorated) -> Decorated:
    """Options that say which are meant."""
    for option in (
        click.option("--reason", help="only those with this reason, like no_key"),
        click.option("--topic", help="only those of this topic"),
        click.option("--subscription", metavar="NAME|ID", help="only those of this subscription"),
    ):
        run = option(run)
    return run


def _some(run: Decorated) -> Decorated:
    """Several, by their ids or by what they have in common."""
    for option in (
        click.option("--yes", is_flag=True, help="do not ask"),
        click.option("--all", "every", is_flag=True, help="all there are"),
        _choosing,
        click.argument("ids", metavar="[ID...]", nargs=-1),
    ):
        run = option(run)
    return run


@command.verb("list", "The newest dead letters.")
@_choosing
@limit_option(100)
def _list(asked: Asked, limit: int, **given: str | None) -> int:
    order = f" ORDER BY created_at DESC LIMIT {limit}"
    columns = _ALL_BUT_VALUES if asked.json else _COLUMNS
    found = asked.admin.query(f"SELECT {columns} FROM {_TABLE}{where(_terms(given))}{order}")
    if asked.json:
        print_json(found)
        return 0
    rows = [
        (one["id"], one["reason"], _where(one), one["created_at"], one["message"]) for one in found
    ]
    print_table(("ID", "REASON", "RECORD", "CREATED", "MESSAGE"), rows, "no dead letters")
    return 0


def _terms(given: Mapping[str, str | None]) -> list[str]:
    """SQL that holds for each that is chosen."""
    terms = [f"{name} = {text_literal(given[name] or '')}" for name in _EQUAL if given[name]]
    if given["subscription"]:
        known_as = text_literal(given["subscription"])
        named = f"SELECT id FROM sys_subscription WHERE name = {known_as}"
        terms.append(f"(subscription_id = {known_as} OR subscription_id IN ({named}))")
    return terms


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
    print_fields(found | {"record_key": _readable(found.get("record_key"))})
    if value is not None:
        print("\n" + "\n".join(shown_lines(text if text is not None else f"hex {value}")))
    return 0


def _readable(key: str | None) -> str | None:
    """The key of a record, which SQL gives as hexadecimal digits."""
    if key is None:
        return None
    try:
        return bytes.fromhex(key).decode()
    except UnicodeDecodeError:
        return f"hex {key}"


@command.verb("redrive", "Do again what failed; the dead letter is gone then.")
@_some
@click.option("--key", help="with this key instead of its own")
@click.option("--sink", metavar="SERVICE/HANDLER", help="to this handler instead")
@click.option(
    "--without-header",
    "without",
    multiple=True,
    metavar="NAME",
    help="without this header, such as one that cannot be used; repeatable",
)
@click.option("--value", metavar="TEXT", help="with this value instead of its own")
@click.option(
    "--value-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="as --value, from a file",
)
def _redrive(
    asked: Asked,
    key: str | None,
    sink: str | None,
    without: tuple[str, ...],
    value: str | None,
    value_file: Path | None,
    **which: Any,
) -> int:
    edits = {"key": key, "value_text": value}
    if value_file is not None:
        if value is not None:
            raise CliError("give --value or --value-file, not both", EXIT_USAGE)
        edits["value_base64"] = _content(value_file)
    given: dict[str, Any] = {name: edit for name, edit in edits.items() if edit is not None}
    if given and len(which["ids"]) != 1:
        raise CliError("a key or a value is for one dead letter, named by its id", EXIT_USAGE)
    if sink is not None:
        given["sink"] = sink
    if without:
        given["without_headers"] = without

    def redrive(one: str) -> _Result:
        found = asked.admin.ask("POST", path(*_AT, one, "redrive"), given)
        return {"id": one, "invocation_id": found["invocation_id"]}

    results = _do(asked, "redrive", redrive, **which)
    if asked.json:
        print_json(results)
    else:
        _say(results, "done again", "invocation_id")
    return _exit_code(results)


def _content(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None


@command.verb("drop", "Forget dead letters.")
@_some
def _drop(asked: Asked, **which: Any) -> int:
    def drop(one: str) -> _Result:
        asked.admin.ask("DELETE", path(*_AT, one))
        return {"id": one}

    results = _do(asked, "drop", drop, **which)
    if asked.json:
        refused = [one for one in results if "error" in one]
        dropped = [one["id"] for one in results if "error" not in one]
        print_json({"dropped": dropped} | ({"refused": refused} if refused else {}))
    else:
        _say(results, "forgotten")
    return _exit_code(results)


# --- several at once


def _do(
    asked: Asked,
    verb: str,
    do: Callable[[str], _Result],
    ids: tuple[str, ...],
    every: bool,
    yes: bool,
    **given: str | None,
) -> list[_Result]:
    """What became of each: one that is refused holds up no other."""
    terms = _terms(given)
    if bool(ids) == bool(every or terms):
        raise CliError(
            "name dead letters by their ids, or choose them: --subscription, --topic, --reason, or"
            f" --all; see perdure dlq {verb} --help",
            EXIT_USAGE,
        )
    if not ids:
        ids = _chosen(asked, verb, terms, yes)
    results: list[_Result] = []
    for one in ids:
        try:
            results.append(do(one))
        except ServerRefused as error:
            results.append({"id": one, "error": str(error)})
    return results


def _chosen(asked: Asked, verb: str, terms: list[str], yes: bool) -> tuple[str, ...]:
    """The ids there are now, the oldest first; asked about, unless `yes`."""
    found = asked.admin.query(f"SELECT id FROM {_TABLE}{where(terms)} ORDER BY created_at, id")
    if found and not yes:
        confirm(f"{verb} {_letters(len(found))}?", "nothing was done")
    return tuple(one["id"] for one in found)


def _letters(count: int) -> str:
    return f"{count:,} dead letter" + ("" if count == 1 else "s")


def _say(results: list[_Result], done: str, became: str = "") -> None:
    if not results:
        print("there is no such dead letter: nothing was done")
    for one in results[:_SAID_MAX]:
        if "error" in one:
            say(f"{one['id']}: {one['error']}")
        else:
            print(f"{one['id']} is {done}" + (f" as {one[became]}" if became else ""))
    if len(results) > _SAID_MAX:
        refused = sum("error" in one for one in results)
        print(f"and so on: {_letters(len(results) - refused)} {done}, {refused:,} refused")


def _exit_code(results: list[_Result]) -> int:
    return int(any("error" in one for one in results))
