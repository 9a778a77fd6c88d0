"""The lines of the README that call kcat, after the call over HTTP that counts 2 for `ann`."""

from __future__ import annotations

from tests.parts.cache import REPOSITORY
from tests.parts.kcat import kcat, lines_of

README = (REPOSITORY / "README.md").read_text()


def the_lines_for_kcat(bootstrap: str) -> None:
    """Runs them, and compares what they print with what the README says."""
    to_ingress, replies, to_orders, counts = lines_of(README)
    kcat(to_ingress, bootstrap)
    answered = kcat(replies, bootstrap, 1)
    kcat(to_orders, bootstrap)
    counted = kcat(counts, bootstrap, 3)
    assert (answered, counted) == (["ann:5"], ["ann:2", "ann:5", "ann:9"])
    assert all(f"`{one}`" in README for one in counted)
