"""What runs on a deployment, and what a deployment serves."""

from typing import Any

from orchestrator.cli.choosing import count_of
from orchestrator.cli.client import Admin, text_literal
from orchestrator.cli.exits import ServerRefused
from orchestrator.cli.services import print_handlers

_NO_SQL = 501


def count_pinned(admin: Admin, deployment_id: str) -> dict[str, int]:
    """Invocations that have begun on it and not completed, by status; ServerRefused without SQL."""
    rows = admin.query(
        "SELECT status, COUNT(1) AS n FROM sys_invocation WHERE status != 'completed'"
        f" AND pinned_deployment_id = {text_literal(deployment_id)} GROUP BY status"
    )
    return {row["status"]: count_of(row) for row in rows}


def pinned_if_known(admin: Admin, deployment_id: str) -> dict[str, int] | None:
    """None if this server cannot say: it has no SQL."""
    try:
        return count_pinned(admin, deployment_id)
    except ServerRefused as error:
        if error.status != _NO_SQL:
            raise
        return None


def print_services(services: list[dict[str, Any]]) -> None:
    """Each with its handlers."""
    for service in services:
        print(f"\n{service['name']}  {service['ty']}, revision {service['revision']}")
        print_handlers(service)
