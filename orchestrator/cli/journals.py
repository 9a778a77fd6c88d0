"""Journals of invocations, as the admin API gives them."""

from typing import Any

from orchestrator.cli.client import Admin, path


def export_journal(admin: Admin, identity: str) -> dict[str, Any]:
    """The document of docs/python/replay.md; ServerRefused if its journal is gone."""
    found: dict[str, Any] = admin.get(path("perdure", "v1", "invocations", identity, "journal"))
    return found
