"""The lines of the README that call kcat, after the call over HTTP that counts 2 for `ann`."""

from __future__ import annotations

from tests.parts.cache import REPOSITORY
from tests.parts.kcat import kcat, lines_of

README = (REPOSITORY / "README.md").read_text()


def the_reply(bootstrap: str) -> None:
    """A record for the ingress topic, and the first one of the reply topic."""
    to_ingress, replies, _, _ = lines_of(README)
    kcat(to_ingress, bootstrap)
    assert kcat(replies, bootstrap, 1) == ["ann:5"] and "`ann:5`" in README


def the_counts(bootstrap: str) -> None:
    """A record for the subscribed topic, and all counts until then."""
    _, _, to_orders, counts = lines_of(README)
    kcat(to_orders, bootstrap)
    counted = kcat(counts, bootstrap, 3)
    assert counted == ["ann:2", "ann:5", "ann:9"]
    assert all(f"`{one}`" in README for one in counted)
