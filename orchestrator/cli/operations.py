"""What can be done to invocations: to those that are named by their ids, or to all that are chosen.

Chosen ones are counted and asked about first, then done in batches, each a request.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import click

from orchestrator.cli.choosing import Chosen, choosing, count_of, invocations_text, where
from orchestrator.cli.client import Admin, path, text_literal
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.confirming import confirm
from orchestrator.cli.exits import EXIT_USAGE, CliError, ServerRefused
from orchestrator.cli.near import say_unknown_names
from orchestrator.cli.output import print_json, print_table, say

BATCH_MAX: Final = 500  # ids of a request; the server takes twice as many
PAGE_MAX: Final = 20_000  # ids that one query asks for
_ACCEPTED: Final = 202
_WHY_MAX: Final = 5  # reasons of refusals that are told
_LIVE: Final = "status != 'completed'"
_COMPLETED: Final = "status = 'completed'"


class _Operation(NamedTuple):
    about: str
    applies_to: str  # SQL: of those that are chosen, these alone
    done: str  # what has happened to one when the server says so
    under_way: str  # and if it is only going to happen


_OPERATIONS: Final = {
    "cancel": _Operation(
        "Ask invocations to come to an end: their handlers see a cancellation.",
        _LIVE,
        "cancelled",
        "cancel requested: its handler ends it once it sees that; if that fails, it is tried again",
    ),
    "kill": _Operation(
        "End invocations at once, and what they have called; nothing is undone.",
        _LIVE,
        "killed",
        "kill requested",
    ),
    "pause": _Operation(
        "Hold invocations where they are, until they are resumed.",
        "status NOT IN ('completed', 'paused', 'pending', 'scheduled')",
        "paused",
        "pause requested: it is held once its attempt ends",
    ),
    "resume": _Operation(
        "Go on with invocations that are paused or wait to be tried again, now.",
        "status IN ('paused', 'backing-off')",
        "resumed",
        "resume requested",
    ),
    "restart-as-new": _Operation(
        "Start completed invocations again, under new ids.",
        _COMPLETED,
        "restarted",
        "restart requested",
    ),
    "purge": _Operation("Forget completed invocations.", _COMPLETED, "purged", "purge requested"),
    "purge-journal": _Operation(
        "Forget the journals of completed invocations, keep their results.",
        f"{_COMPLETED} AND journal_size > 0",
        "journal purged",
        "purge requested",
    ),
}
_Result = dict[str, str]


class _Work(NamedTuple):
    """An operation as it was asked for."""

    asked: Asked
    name: str
    how: dict[str, str | int]  # the deployment, the last entry that is kept

    @property
    def operation(self) -> _Operation:
        return _OPERATIONS[self.name]


def add_operations(noun: Noun) -> None:
    """A verb for each."""
    for name, operation in _OPERATIONS.items():
        noun.verb(name, operation.about)(_verb(name))


def _verb(name: str) -> Callable[..., int]:
    @click.argument("ids", metavar="[ID...]", nargs=-1)
    @click.option("--all", "every", is_flag=True, help="all that it can be done to")
    @click.option("--yes", is_flag=True, help="do not ask")
    def run(asked: Asked, ids: tuple[str, ...], every: bool, yes: bool, **given: Any) -> int:
        how = {"deployment": given.pop("onto", None), "from": given.pop("upto", None)}
        work = _Work(asked, name, {key: value for key, value in how.items() if value})
        chosen = Chosen(**given)
        if bool(ids) == bool(every or not chosen.is_any):
            raise CliError(
                "name invocations by their ids, or choose them: --service, --status, --older-than,"
                f" …, or --all; see perdure invocations {name} --help",
                EXIT_USAGE,
            )
        return _do_named(work, ids) if ids else _do_chosen(work, chosen, yes)

    # --deployment says where to go on; elsewhere it chooses, by where they began.
    goes_on = name in ("resume", "restart-as-new")
    if name == "restart-as-new":
        run = _UPTO(run)
    return choosing("--pinned-to")(_ONTO(run)) if goes_on else choosing()(run)


_ONTO: Final = click.option("--deployment", "onto", metavar="latest|keep|ID", help="where to go on")
_UPTO: Final = click.option(
    "--from",
    "upto",
    type=click.IntRange(min=0),
    default=0,
    metavar="INDEX",
    help="last entry of the journal to keep (default 0: the input)",
)


# --- by their ids, one by one


def _do_named(work: _Work, ids: tuple[str, ...]) -> int:
    """Exit code 1 if any was refused."""
    results = [_do_one(work, identity) for identity in ids]
    if work.asked.json:
        print_json(results)
    else:
        rows = [(one["id"], one.get("error") or one["result"]) for one in results]
        print_table(("ID", "RESULT"), rows, "")
    return int(any("error" in one for one in results))


def _do_one(work: _Work, identity: str) -> _Result:
    query = urlencode(work.how)
    at = path("invocations", identity, work.name)
    try:
        answer = work.asked.admin.send("PATCH", f"{at}?{query}" if query else at)
    except ServerRefused as error:
        return {"id": identity, "error": str(error).removeprefix(f"{identity}: ")}
    if work.name == "restart-as-new":
        new_id = answer.json["new_invocation_id"]
        return {"id": identity, "result": f"restarted as {new_id}", "new_invocation_id": new_id}
    under_way = answer.status == _ACCEPTED
    operation = work.operation
    return {"id": identity, "result": operation.under_way if under_way else operation.done}


# --- all that are chosen, in batches


def _do_chosen(work: _Work, chosen: Chosen, yes: bool) -> int:
    """Exit code 1 if any was refused."""
    if work.how.get("from"):
        raise CliError("--from is for invocations that are named by their ids", EXIT_USAGE)
    admin = work.asked.admin
    terms = [*chosen.terms(), work.operation.applies_to]
    (found,) = admin.query(
        f"SELECT COUNT(1) AS n, MAX(created_at) AS newest FROM sys_invocation{where(terms)}"
    )
    count = count_of(found)
    if count and not yes:
        confirm(f"{work.name} {invocations_text(count)}?", "nothing was done")
    done: list[Any] = []
    refused: list[_Result] = []
    if count:
        # What begins from now on is not meant.
        terms.append(f"created_at <= TIMESTAMP {text_literal(found['newest'])}")
        done, refused = _in_batches(work, terms, count)
    else:
        say_unknown_names(admin, chosen.service, chosen.handler, chosen.deployment)
    return _report(work, done, refused)


def _in_batches(work: _Work, terms: list[str], count: int) -> tuple[list[Any], list[_Result]]:
    done: list[Any] = []
    refused: list[_Result] = []
    with click.progressbar(
        length=count, label=work.name, file=sys.stderr, show_pos=True, hidden=count <= BATCH_MAX
    ) as bar:
        for ids in _batches(work.asked.admin, terms):
            body: dict[str, Any] = {"invocation_ids": ids, **work.how}
            at = path("internal", "invocations_batch_operations", work.name)
            answer = work.asked.admin.ask("POST", at, body)
            done += answer["succeeded"]
            refused += answer["failed"]
            bar.update(len(ids))
    return done, refused


def _batches(admin: Admin, terms: list[str]) -> Iterator[list[str]]:
    """The ids, the oldest first, each once, whatever becomes of those that were given already.

    In the order of time, which the server has an order of: it sorts nothing for a page.
    """
    since, known = "", set[str]()  # where the page before ended, and those of that moment
    while True:
        begins = [f"created_at >= TIMESTAMP {text_literal(since)}"] if since else []
        rows = admin.query(
            f"SELECT id, created_at FROM sys_invocation{where([*terms, *begins])}"
            f" ORDER BY created_at, id LIMIT {PAGE_MAX}"
        )
        ids = [row["id"] for row in rows if row["id"] not in known]
        for n in range(0, len(ids), BATCH_MAX):
            yield ids[n : n + BATCH_MAX]
        if len(rows) < PAGE_MAX or not ids:
            return
        since = rows[-1]["created_at"]
        known = {row["id"] for row in rows if row["created_at"] == since}


def _report(work: _Work, done: list[Any], refused: list[_Result]) -> int:
    if work.asked.json:
        print_json({"operation": work.name, "succeeded": done, "failed": refused})
        return int(bool(refused))
    under_way = work.operation.under_way if work.name in ("cancel", "pause") else ""
    said = under_way.partition(":")[0] or work.operation.done
    if done:
        print(f"{invocations_text(len(done))}: {said}")
    elif not refused:
        print("there is no such invocation: nothing was done")
    why = Counter(one["error"] for one in refused)
    for reason, times in why.most_common(_WHY_MAX):
        example = next(one["invocation_id"] for one in refused if one["error"] == reason)
        say(f"{times:,} refused: {reason} ({example}{', …' if times > 1 else ''})")
    if len(why) > _WHY_MAX:
        say("and for other reasons: --json has all")
    return int(bool(refused))
