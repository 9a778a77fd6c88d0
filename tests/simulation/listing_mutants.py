"""Mutants of listings: what a query over many completed invocations is answered from."""

from typing import Any

from orchestrator.codec import keys
from orchestrator.machine import listings
from orchestrator.machine.step import Step
from orchestrator.model.ids import INVOCATION_ID_BYTES
from orchestrator.model.limits import LISTED_COUNT_MAX, LISTING_FINE_MS
from orchestrator.model.rows import CompletedRow
from orchestrator.sql import listed
from orchestrator.tables.table import Table
from tests.simulation.mutation import Patch, mutant


@mutant
def what_is_listed_after_a_spill_is_lost(patch: Patch) -> None:
    """A listing that was written once is not written again."""

    def touch(self: Table[Any], key: bytes) -> None:
        if self.prefix != keys.LISTING:
            before(self, key)

    before = patch.set(Table, "touch", touch)


@mutant
def a_full_listing_is_begun_again(patch: Patch) -> None:
    """After a restart, in place of the one that came after it."""
    patch.set(listings, "_last_key", lambda step, bucket_ms: keys.listing_key(bucket_ms, 0))


@mutant
def the_first_after_a_restart_is_listed_twice(patch: Patch) -> None:
    def list_completed(step: Step, done: CompletedRow) -> None:
        if not step.state.open_listings:
            before(step, done)
        before(step, done)

    before = patch.set(listings, "list_completed", list_completed)


@mutant
def what_is_purged_stays_listed(patch: Patch) -> None:
    patch.set(listings, "unlist", lambda step, done: None)


@mutant
def another_one_is_marked_as_purged(patch: Patch) -> None:
    """The one before it, as it was the last of its listing."""

    def unlist(step: Step, done: CompletedRow) -> None:
        number, place = divmod(done.listed, LISTED_COUNT_MAX)
        key = keys.listing_key(listings._bucket_ms(done), number)
        row = step.state.listings.get(key)
        if done.listed >= 0 and row is not None:
            row.gone.append(min(place, len(row.ids) // INVOCATION_ID_BYTES - 2))
            step.state.listings.touch(key)

    patch.set(listings, "unlist", unlist)


@mutant
def who_is_purged_and_lives_again_is_not_shown(patch: Patch) -> None:
    """What is marked is taken for all lives of its id."""

    def gone(rows: Any, counts: Any) -> Any:
        places = set(before(rows, counts))
        ids = [row.ids[at : at + 24] for row in rows for at in range(0, len(row.ids), 24)]
        return [at for at, one in enumerate(ids) if one in [ids[place] for place in places]]

    before = patch.set(listed, "_gone", gone)


@mutant
def listings_go_with_the_first_they_list(patch: Patch) -> None:
    """A bucket is called by its beginning."""
    before = listings._bucket_ms

    def bucket_ms(done: CompletedRow) -> int:
        return before(done) - LISTING_FINE_MS

    patch.set(listings, "_bucket_ms", bucket_ms)


@mutant
def listings_are_never_dropped(patch: Patch) -> None:
    patch.set(listings, "drop_listings", lambda step: None)


@mutant
def all_that_completed_is_called_a_success(patch: Patch) -> None:
    patch.set(listings, "LISTED_FAILED", 0)


@mutant
def names_are_numbered_anew_after_a_spill(patch: Patch) -> None:
    """The names of a listing that was read back are not looked at."""

    def list_completed(step: Step, done: CompletedRow) -> None:
        for key in step.state.open_listings.values():
            row = step.state.listings.get(key)
            if row is not None and key not in step.state.listings.dirty_keys:
                row.names = {}
        before(step, done)

    before = patch.set(listings, "list_completed", list_completed)
