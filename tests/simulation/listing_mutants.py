"""Mutants of listings: what a query over many completed invocations is answered from."""

from typing import Any

from orchestrator.codec import keys
from orchestrator.model.ids import INVOCATION_ID_BYTES
from orchestrator.model.limits import LISTED_COUNT_MAX, LISTING_FINE_MS
from orchestrator.model.rows import CompletedRow, ListingRow
from orchestrator.sql import listed
from orchestrator.tables import listings
from orchestrator.tables.listings import Listings
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
    patch.set(Listings, "_last_key", lambda self, bucket_ms: keys.listing_key(bucket_ms, 0))


@mutant
def the_first_after_a_restart_is_listed_twice(patch: Patch) -> None:
    def list_later(self: Listings, done: CompletedRow) -> None:
        if not self._last_keys:
            before(self, done)
        before(self, done)

    before = patch.set(Listings, "list_later", list_later)


@mutant
def what_is_purged_stays_listed(patch: Patch) -> None:
    patch.set(Listings, "unlist", lambda self, done: None)


@mutant
def another_one_is_marked_as_purged(patch: Patch) -> None:
    """The one before it, as it was the last of its listing."""

    def unlist(self: Listings, done: CompletedRow) -> None:
        self._list_all()
        number, place = divmod(done.listed, LISTED_COUNT_MAX)
        key = keys.listing_key(listings._bucket_ms(done), number)
        row = self.get(key)
        if done.listed >= 0 and row is not None:
            row.gone.append(min(place, len(row.ids) // INVOCATION_ID_BYTES - 2))
            self.touch(key)

    patch.set(Listings, "unlist", unlist)


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
    patch.set(Listings, "drop_some", lambda self, now_ms: None)


@mutant
def all_that_completed_is_called_a_success(patch: Patch) -> None:
    patch.set(listings, "LISTED_FAILED", 0)


@mutant
def names_are_numbered_anew_after_a_spill(patch: Patch) -> None:
    """The names of a listing that was read back are not looked at."""

    def open_last(self: Listings, bucket_ms: int) -> tuple[bytes, ListingRow]:
        was_written = self._last_keys.get(bucket_ms) not in self.dirty_keys
        key, row = before(self, bucket_ms)
        if was_written:
            row.names = {}
        return key, row

    before = patch.set(Listings, "_open", open_last)


@mutant
def what_completed_since_the_last_spill_is_not_listed_by_the_next(patch: Patch) -> None:
    """Nothing is listed until something else looks at listings."""
    patch.set(Listings, "drain", Table.drain)


@mutant
def what_one_spill_lists_is_sorted(patch: Patch) -> None:
    """Replicas that spill at other times have other rows."""

    def list_all(self: Listings) -> None:
        self._unlisted.sort(key=lambda done: done.invoke.id)
        before(self)

    before = patch.set(Listings, "_list_all", list_all)
