"""Listings: what is kept of completed invocations side by side, and when it goes."""

from random import Random

import pytest

from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.model.answers import Answer
from orchestrator.model.limits import LISTING_COARSE_MS, LISTINGS_DROPPED_MAX
from orchestrator.model.records import Failed, Kill, Purge, PurgeExpired
from orchestrator.model.rows import (
    LISTED_BY_SHIFT,
    LISTED_CODES,
    LISTED_FAILED,
    LISTED_TIMES,
    LISTED_TROUBLED,
    ListingRow,
)
from orchestrator.model.values import BY_INGRESS, OBJECT_EXCLUSIVE, SERVICE, THEN_RETRY, Attempted
from orchestrator.tables import listings
from orchestrator.tables.state import State
from tests.unit.machine.bench import DAY_MS, Bench, uid

Listed = tuple[bytes, tuple[int, ...], tuple[int, ...]]


def listed(bench: Bench) -> dict[bytes, ListingRow]:
    """The listings by key, read back from their bytes."""
    bench.state.spill()
    start, decode = keys.LISTING, row_decoder(ListingRow)
    found = bench.store.scan(start, keys.prefix_end(start))
    return {key[1:]: decode(value) for key, value in found}


def entries(row: ListingRow) -> list[Listed]:
    ids = [bytes(row.ids[at : at + 24]) for at in range(0, len(row.ids), 24)]
    times, codes = LISTED_TIMES.iter_unpack(row.times), LISTED_CODES.iter_unpack(row.codes)
    return list(zip(ids, times, codes, strict=True))


def complete(bench: Bench, number: int, **named: object) -> bytes:
    bench.invoke(uid(number), **named)  # type: ignore[arg-type]
    bench.finish(uid(number))
    return uid(number)


def test_a_completed_invocation_is_listed_with_what_people_ask_for() -> None:
    bench = Bench()
    complete(bench, 1)
    complete(bench, 2, service="Counter", handler="add", key="ké", kind=OBJECT_EXCLUSIVE)
    ((key, row),) = listed(bench).items()
    first, second = entries(row)
    expires_ms = bench.now_ms + DAY_MS
    times = (bench.now_ms, bench.now_ms, bench.now_ms, expires_ms)
    assert first == (uid(1), times, (0, 0, BY_INGRESS << LISTED_BY_SHIFT))
    assert second == (uid(2), times, (3, 1, BY_INGRESS << LISTED_BY_SHIFT))
    assert row.keys == "ké".encode() and row.gone == []
    assert row.names == {
        ("Greeter", "greet", 0, "dp_1", 6, ""): 0,
        ("Counter", "add", OBJECT_EXCLUSIVE, "dp_1", 6, ""): 1,
    }
    bucket_ms = int.from_bytes(key[:8], "big")
    assert 0 <= bucket_ms - expires_ms < LISTING_COARSE_MS


def test_a_failure_is_told_from_a_success() -> None:
    bench = Bench()
    bench.invoke(uid(1))
    bench.do(Kill(uid(1), bench.now_ms))
    ((_, row),) = listed(bench).items()
    assert entries(row)[0][2][2] & LISTED_FAILED


def test_a_failed_attempt_is_told_of_a_success() -> None:
    bench = Bench()
    bench.invoke(uid(1))
    why = Attempted(500, "boom", "", "", -1, "", 0, bench.now_ms)
    bench.flush(uid(1), end=Failed(why, THEN_RETRY, 2, bench.now_ms))
    bench.finish(uid(1))
    ((_, row),) = listed(bench).items()
    assert entries(row)[0][2][2] & (LISTED_TROUBLED | LISTED_FAILED) == LISTED_TROUBLED


def test_what_nobody_is_shown_is_not_listed() -> None:
    bench = Bench()
    complete(bench, 1, retention_ms=0)
    assert listed(bench) == {}


@pytest.mark.parametrize("forgets", [False, True])
def test_a_full_listing_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    """Also after a restart, which has to look for the last one."""
    monkeypatch.setattr(listings, "_FULL_COUNT", 3)
    bench = Bench()
    for number in range(8):
        complete(bench, number)
        if forgets:
            bench.state.spill()
            bench.state = State(0, 1, bench.store)
    counts = {key[8:]: len(entries(row)) for key, row in listed(bench).items()}
    assert list(counts.values()) == [3, 3, 2]
    done = bench.state.completed.get(uid(7))
    assert done is not None and done.listed == 2 * 1_024 + 1


@pytest.mark.parametrize("size", [500, 600])
def test_long_keys_fill_a_listing_too(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "LISTED_KEYS_BYTES_MAX", 1_000)
    bench = Bench()
    for number in range(4):
        complete(bench, number, key=f"{number}" * size, kind=OBJECT_EXCLUSIVE)
    assert [len(row.keys) for row in listed(bench).values()] == [2 * size, 2 * size]


def test_one_that_is_purged_by_hand_is_marked() -> None:
    bench = Bench()
    for number in range(3):
        complete(bench, number)
    bench.do(Purge(uid(1), bench.now_ms))
    ((_, row),) = listed(bench).items()
    assert row.gone == [1] and len(entries(row)) == 3


@pytest.mark.parametrize("another", [False, True])
def test_one_is_purged_whose_listing_went_before_the_clock_was_turned_back(another: bool) -> None:
    """Another listing may be in its place: nothing of that one is marked."""
    bench = Bench()
    began_ms = bench.now_ms
    complete(bench, 1)
    bench.do(PurgeExpired(bench.epoch, bench.now_ms + 2 * DAY_MS, ()))
    assert listed(bench) == {}
    bench.now_ms = began_ms
    if another:
        complete(bench, 2)
    assert bench.do(Purge(uid(1), bench.now_ms)) is Answer.DONE
    assert [row.gone for row in listed(bench).values()] == [[]] * another


def test_listings_go_when_their_bucket_is_over() -> None:
    bench = Bench()
    for number in range(2 * LISTINGS_DROPPED_MAX):
        complete(bench, number)
        bench.now_ms += LISTING_COARSE_MS
    before = listed(bench)
    assert len(before) == 2 * LISTINGS_DROPPED_MAX
    assert len(bench.state.listings._last_keys) == len(before)
    bench.now_ms = int.from_bytes(max(before)[:8], "big")
    for left in (LISTINGS_DROPPED_MAX, 0):
        bench.do(PurgeExpired(bench.epoch, bench.now_ms, ()))
        assert len(listed(bench)) == len(bench.state.listings._last_keys) == left


def test_the_last_listing_is_found_again_with_the_same_bytes() -> None:
    """A replica that was restarted writes what one writes that was not."""
    whole, restarted = Bench(), Bench()
    for number in range(20):
        for bench in (whole, restarted):
            complete(bench, number)
        restarted.state.spill()
        restarted.state = State(0, 1, restarted.store)
    assert listed(whole) == listed(restarted)


@pytest.mark.parametrize("seed", range(6))
def test_when_they_are_listed_does_not_matter(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed with each record, now and then, or at the end, the rows are the same bytes."""
    monkeypatch.setattr(listings, "_FULL_COUNT", 5)
    monkeypatch.setattr(listings, "LISTED_KEYS_BYTES_MAX", 20)
    benches = [Bench() for _ in range(3)]
    for bench in benches:
        bench.now_ms = 100 * DAY_MS
    looks, random = Random(seed), Random(seed)
    lived, marked = [uid(number) for number in range(40)], False
    for _ in range(150):
        record, key = random.random(), random.choice(("", "k", "key" * 3))
        one = random.choice(lived)
        keep_ms = random.choice((0, 1, 90_000, LISTING_COARSE_MS, DAY_MS))
        passed_ms = random.choice((0, 1, 60_000, LISTING_COARSE_MS)) * random.choice((1, 1, 1, -1))
        for bench in benches:
            if record < 0.75:
                if bench.state.invocations.get(one) is None:
                    kind = OBJECT_EXCLUSIVE if key else SERVICE
                    bench.invoke(one, key=key, kind=kind, retention_ms=keep_ms)
                    bench.do(Kill(one, bench.now_ms)) if record < 0.1 else bench.finish(one)
            elif record < 0.9:
                bench.do(Purge(one, bench.now_ms))
            else:
                bench.now_ms += passed_ms
                due = [key for key, _ in bench.state.retention.scan()][:3]
                bench.do(PurgeExpired(bench.epoch, bench.now_ms, tuple(due)))
        benches[0].state.spill()
        marked |= any(row.gone for _, row in benches[0].state.listings.scan())
        if looks.random() < 0.1:
            benches[1].state.spill()
            benches[1].state = State(0, 1, benches[1].store)
    first, *others = [dict(bench.rows()) for bench in benches]
    assert others == [first, first] and marked
