"""Which invocations are meant: options of a listing and of what is done to many, and their SQL."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import click

from orchestrator.cli.arguments import Decorated
from orchestrator.cli.client import text_literal
from orchestrator.cli.times import flag_duration_s

STATUSES: Final = (
    "pending", "scheduled", "ready", "running", "backing-off", "suspended", "paused", "completed",
)  # fmt: skip
_COLUMNS: Final = {
    "service": "target_service_name",
    "handler": "target_handler_name",
    "key": "target_service_key",
    "deployment": "pinned_deployment_id",
    "result": "completion_result",
}
_OPTIONS: Final = (
    click.option("--service", help="of this service"),
    click.option("--handler", help="of this handler"),
    click.option("--key", help="of this key"),
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice(STATUSES),
        help="in this status; may be given again",
    ),
    click.option(
        "--result", type=click.Choice(("success", "failure")), help="completed with this result"
    ),
    click.option("--older-than", metavar="TIME", help="made longer ago than this, like 2h"),
    click.option("--newer-than", metavar="TIME", help="made in this time, like 30m"),
)


class Chosen(NamedTuple):
    """What invocations have in common; what is None or empty is not asked for."""

    service: str | None = None
    handler: str | None = None
    key: str | None = None
    deployment: str | None = None
    statuses: tuple[str, ...] = ()
    result: str | None = None
    older_than: str | None = None
    newer_than: str | None = None

    @property
    def is_any(self) -> bool:
        """Whether nothing is asked for."""
        return not self.terms()

    def terms(self) -> list[str]:
        """SQL that holds for each, all together."""
        found = [
            f"{column} = {text_literal(value)}"
            for name, column in _COLUMNS.items()
            if (value := getattr(self, name)) is not None
        ]
        if self.statuses:
            found.append(f"status IN ({', '.join(map(text_literal, self.statuses))})")
        if self.older_than:
            found.append(f"created_at < {_before(self.older_than, '--older-than')}")
        if self.newer_than:
            found.append(f"created_at >= {_before(self.newer_than, '--newer-than')}")
        return found


def _before(text: str, flag: str) -> str:
    return f"now() - INTERVAL '{flag_duration_s(text, flag)} seconds'"


def choosing(deployment_flag: str = "--deployment") -> Callable[[Decorated], Decorated]:
    """The options, which make the arguments of `Chosen`."""
    pinned = click.option(
        deployment_flag, "deployment", metavar="ID", help="that began on this deployment"
    )

    def add(run: Decorated) -> Decorated:
        for option in (pinned, *reversed(_OPTIONS)):
            run = option(run)
        return run

    return add


def where(terms: list[str]) -> str:
    """The clause of a query, "" for no terms."""
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def count_of(row: dict[str, Any]) -> int:
    """The count of a row of `COUNT(1) AS n`."""
    return int(row.get("n") or 0)


def invocations_text(count: int) -> str:
    """`1 invocation`, `2,000 invocations`."""
    return f"{count:,} invocation" + ("" if count == 1 else "s")
