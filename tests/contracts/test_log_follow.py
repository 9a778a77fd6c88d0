"""What every log promises to those who follow a partition."""

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.log.port import (
    META,
    FollowEnd,
    Log,
    LogMessage,
    LogUnavailable,
    OffsetOutOfRange,
    Subscription,
)
from tests.contracts.places import PARTITIONS, Place
from tests.contracts.test_log import append, opened, settled_bounds, with_open_log

pytestmark = pytest.mark.timeout(60)


class Heard:
    """A follower that keeps what it is told."""

    def __init__(self, log: Log, partition: int, offset: int = 0) -> None:
        self.messages: list[LogMessage] = []
        self.chunks: list[int] = []
        self.ends: list[FollowEnd] = []
        self._loop = asyncio.get_running_loop()
        self.following: Subscription = log.follow(partition, offset, self._deliver, self._ended)
        assert not self.chunks and not self.ends, "told from inside follow"

    def _deliver(self, messages: list[LogMessage]) -> None:
        assert asyncio.get_running_loop() is self._loop and messages and not self.ends
        self.messages += messages
        self.chunks.append(len(messages))

    def _ended(self, why: FollowEnd) -> None:
        self.ends.append(why)

    @property
    def values(self) -> list[bytes]:
        return [message.value for message in self.messages]

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not seen():
                await asyncio.sleep(0.005)

    async def hears(self, values: list[bytes]) -> None:
        await self.until(lambda: len(self.messages) >= len(values))
        await asyncio.sleep(0.02)
        assert self.values == values
        offsets = [message.offset for message in self.messages]
        assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("partition", [META, 0, PARTITIONS - 1])
def test_what_is_there_and_what_comes_is_delivered_in_order(place: Place, partition: int) -> None:
    async def scenario(log: Log) -> None:
        await append(log, partition, [b"a", b"b"])
        heard = Heard(log, partition)
        await append(log, partition, [b"c"])
        await heard.hears([b"a", b"b", b"c"])
        await append(log, partition, [b"d", b"e"])
        await append(log, (partition + 1) % PARTITIONS, [b"of another"])
        await heard.hears([b"a", b"b", b"c", b"d", b"e"])
        assert not heard.ends

    with_open_log(place, scenario)


def test_it_begins_where_it_is_told_even_at_the_end(place: Place) -> None:
    async def scenario(log: Log) -> None:
        last = await append(log, 1, [b"a", b"b"]) + 1
        at_last, at_end = Heard(log, 1, last), None
        await at_last.hears([b"b"])
        at_last.following.cancel()
        at_end = Heard(log, 1, last + 1)
        await append(log, 1, [b"c"])
        await at_end.hears([b"c"])
        assert at_last.values == [b"b"]

    with_open_log(place, scenario)


def test_nothing_is_lost_or_doubled_while_appends_go_on(place: Place) -> None:
    async def scenario(log: Log) -> None:
        values = [b"%d" % number for number in range(2000)]
        done: list[int] = []
        heard = None
        for at, value in enumerate(values):
            log.append([(0, [value])], lambda *told: done.append(told[1]))
            if at % 50 == 0:
                await asyncio.sleep(0.001)
            if at == 700:  # in the midst of it
                heard = Heard(log, 0)
        assert heard is not None
        await heard.hears(values)
        await heard.until(lambda: len(done) == len(values))
        assert [message.offset for message in heard.messages] == done

    with_open_log(place, scenario)


def test_much_comes_in_pieces(place: Place) -> None:
    async def scenario(log: Log) -> None:
        values = [b"%d:" % number + bytes(5000) for number in range(1500)]
        await append(log, 2, values)
        heard = Heard(log, 2)
        await heard.hears(values)
        assert len(heard.chunks) > 2

    with_open_log(place, scenario)


def test_who_cancels_hears_no_more(place: Place) -> None:
    async def main() -> None:
        async with opened(place.make()) as log:
            at_once, later = Heard(log, 0), Heard(log, 1)
            at_once.following.cancel()
            await append(log, 1, [b"a"])
            await later.hears([b"a"])
            later.following.cancel()
            later.following.cancel()
            again = Heard(log, 1)
            await append(log, 1, [b"b"])
            await again.hears([b"a", b"b"])
        assert at_once.values == [] and later.values == [b"a"]
        assert not at_once.ends and not later.ends

    asyncio.run(main())


def test_closing_ends_it_with_a_reason(place: Place) -> None:
    async def main() -> None:
        log = place.make()
        await log.open()
        heard = Heard(log, 0)
        await append(log, 0, [b"a"])
        await heard.hears([b"a"])
        await log.close()
        late = Heard(log, 0)
        await late.until(lambda: bool(late.ends))
        for one in (heard, late):
            assert [type(end) for end in one.ends] == [LogUnavailable]

    asyncio.run(main())


def test_an_offset_the_log_does_not_have_ends_it_with_the_bounds(place: Place) -> None:
    async def scenario(log: Log) -> None:
        last = 0
        for _ in range(30):
            last = await append(log, 0, [bytes(200_000)])
        behind = Heard(log, 0, last + 5)
        await behind.until(lambda: bool(behind.ends))
        log.trim(0, last)
        bounds = await settled_bounds(log, 0)
        before = Heard(log, 0, 0)
        await before.until(lambda: bool(before.ends))
        for heard, known in ((behind, (0, last + 1)), (before, bounds)):
            (end,) = heard.ends
            assert isinstance(end, OffsetOutOfRange) and (end.start, end.end) == known
            assert not heard.messages

    with_open_log(place, scenario)


@pytest.mark.parametrize("place", ["memory", "kafka"], indirect=True)
def test_what_another_process_appends_is_delivered_too(place: Place) -> None:
    async def scenario(log: Log) -> None:
        heard, meta = Heard(log, 0), Heard(log, META)
        assert place.make_other is not None
        other = place.make_other()
        async with opened(other):
            await append(log, 0, [b"mine"])
            await append(other, 0, [b"theirs"])
            await append(other, META, [b"of the metadata"])
        await heard.hears([b"mine", b"theirs"])
        await meta.hears([b"of the metadata"])

    with_open_log(place, scenario)
