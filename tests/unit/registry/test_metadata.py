"""Metadata over the log: the first change wins, restarts find it, torn checkpoints are survived."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.log.memory import MemoryLog, MemoryTopic
from orchestrator.log.port import META, AppendError, Batch, Done, LogCorrupt, LogUnavailable
from orchestrator.registry.apply_metadata import (
    MetadataCorrupt,
    MetadataState,
    apply_metadata,
    decode_record,
    decode_state,
    encode_record,
    encode_state,
)
from orchestrator.registry.metadata import Metadata, MetadataUnavailable
from orchestrator.registry.records import (
    AnyMetadataRecord,
    DeploymentDeleted,
    DeploymentMoved,
    DeploymentOverwritten,
    DeploymentRegistered,
    ServicePatched,
)
from orchestrator.registry.snapshot import Defaults
from orchestrator.registry.stored import Settings, StoredDeployment
from tests.golden.golden_file import compare
from tests.unit.registry.samples import plan, service


def deployment(name: str, *services: str) -> StoredDeployment:
    made = plan(MetadataState(), *(service(one) for one in services), new_id=name)
    return made.deployment


def registering(name: str) -> Callable[[MetadataState], tuple[AnyMetadataRecord, str]]:
    return lambda state: (DeploymentRegistered(state.version, deployment(name, "S" + name)), name)


async def start(topic: MemoryTopic, directory: Path | None = None, trim: bool = False) -> Metadata:
    log = MemoryLog(1, topic=topic)
    await log.open()
    metadata = Metadata(log, Defaults(), directory, trim=trim)
    await metadata.open()
    return metadata


def test_a_change_is_seen_here_and_after_a_restart() -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        metadata = await start(topic)
        seen: list[int] = []
        metadata.on_change(lambda registry: seen.append(registry.version))
        assert await metadata.change(registering("a")) == "a"
        assert metadata.registry.deployment("a") is not None and seen == [1]
        again = await start(topic)
        assert again.registry.service("Sa") is not None
        assert encode_state(again.state) == encode_state(metadata.state)

    asyncio.run(run())


def test_nothing_to_change_appends_nothing() -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        metadata = await start(topic)
        assert await metadata.change(lambda state: (None, "same")) == "same"
        assert topic.next_offset(META) == 0

    asyncio.run(run())


def test_the_first_of_two_nodes_wins_and_the_other_decides_anew() -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        one, two = await start(topic), await start(topic)
        await asyncio.gather(
            *(
                node.change(registering(f"{n}{i}"))
                for n, node in enumerate((one, two))
                for i in range(5)
            )
        )
        await asyncio.sleep(0.01)  # each follows what the other has appended
        assert len(one.registry.deployments) == 10
        assert encode_state(one.state) == encode_state(two.state)
        assert topic.next_offset(META) > 10  # some came second and were passed over

    asyncio.run(run())


def test_what_another_node_changes_is_heard_of_without_asking() -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        one, two = await start(topic), await start(topic)
        heard: list[int] = []
        two.on_change(lambda registry: heard.append(registry.version))
        await one.change(registering("a"))
        await one.change(registering("b"))
        await asyncio.sleep(0.01)
        assert heard == [1, 2] and two.registry.service("Sb") is not None
        two.close()
        await one.change(registering("c"))
        await asyncio.sleep(0.01)
        assert heard == [1, 2]

    asyncio.run(run())


@pytest.mark.parametrize("message", [b"\x01\x95\xff", b"\x01\x92\x04\xa2\xff\xfe", b"", b"\x07"])
def test_metadata_that_cannot_be_read_is_not_passed_over(message: bytes) -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        one = await start(topic)
        await one.change(registering("a"))
        topic.append(META, [message])
        await asyncio.sleep(0.01)
        with pytest.raises(MetadataUnavailable, match=r"PD0502.*offset 1"):
            await one.change(registering("b"))
        with pytest.raises(MetadataUnavailable, match=r"PD0502.*offset 1"):
            one.known()
        assert one.registry.service("Sa") is not None and one.applied == 1
        with pytest.raises(MetadataCorrupt, match="offset 1"):
            await start(topic)

    asyncio.run(run())


def test_what_cannot_be_followed_is_not_listed() -> None:
    async def run() -> None:
        one = await start(MemoryTopic(1))
        await one.change(registering("a"))
        assert one.known().service("Sa") is not None
        one._ended(LogUnavailable("closed"))
        assert one.known().service("Sa") is not None
        one._ended(LogCorrupt("the log ends at offset 0"))
        with pytest.raises(MetadataUnavailable, match=r"cannot be followed: .*the log ends"):
            one.known()
        assert one.registry.service("Sa") is not None, "calls go on"

    asyncio.run(run())


class FailingLog(MemoryLog):
    """Fails appends as told: (lands, refused)."""

    failures: list[tuple[bool, bool]]
    restarts = 0

    def append(self, batch: Batch, done: Done) -> None:
        if not self.failures:
            return super().append(batch, done)
        lands, refused = self.failures.pop(0)
        if lands:
            super().append(batch, lambda *_: None)
        error = AppendError("told to", refused=refused)
        asyncio.get_running_loop().call_soon(done, META, -1, 1, error)

    def restart(self, partition: int) -> None:
        self.restarts += 1


@pytest.mark.parametrize("lands", [True, False])
def test_a_change_of_unknown_fate_is_made_once(lands: bool) -> None:
    async def run() -> None:
        log = FailingLog(1)
        log.failures = [(lands, False)]
        await log.open()
        metadata = Metadata(log, Defaults(), None)
        await metadata.open()
        assert await metadata.change(registering("a")) == "a"
        assert log.topic.next_offset(META) == 1 and log.restarts == 1
        assert list(metadata.state.deployments) == ["a"]

    asyncio.run(run())


def test_a_refused_append_is_an_error_and_the_next_one_works() -> None:
    async def run() -> None:
        log = FailingLog(1)
        log.failures = [(False, True)]
        await log.open()
        metadata = Metadata(log, Defaults(), None)
        await metadata.open()
        with pytest.raises(MetadataUnavailable, match="told to") as caught:
            await metadata.change(registering("a"))
        assert not caught.value.unknown
        assert await metadata.change(registering("b")) == "b"

    asyncio.run(run())


def test_an_acknowledgement_that_comes_too_late_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowLog(MemoryLog):
        def append(self, batch: Batch, done: Done) -> None:
            later = asyncio.get_running_loop().call_later
            super().append(batch, lambda *given: (later(0.05, done, *given), None)[1])

    async def run() -> None:
        monkeypatch.setattr("orchestrator.registry.metadata.APPEND_WAIT_S", 0.01)
        log = SlowLog(1)
        await log.open()
        metadata = Metadata(log, Defaults(), None)
        await metadata.open()
        with pytest.raises(MetadataUnavailable) as caught:
            await metadata.change(registering("a"))
        assert caught.value.unknown
        await asyncio.sleep(0.1)
        assert metadata.registry.deployment("a") is not None

    asyncio.run(run())


def test_a_log_out_of_reach_at_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class ShyLog(MemoryLog):
        asked = 0

        async def bounds(self, partition: int) -> tuple[int, int]:
            self.asked += 1
            if self.asked < 3:
                raise LogUnavailable("not yet")
            return await super().bounds(partition)

    async def run() -> None:
        monkeypatch.setattr("orchestrator.registry.metadata.READ_RETRY_S", 0.001)
        log = ShyLog(1)
        await log.open()
        await asyncio.wait_for(Metadata(log, Defaults(), None).open(), 60)
        assert log.asked == 3

    asyncio.run(run())


def test_a_change_whose_fate_is_unknown_too_late_does_not_block_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class GivenUpLog(MemoryLog):
        """Its producer is given up after whoever waited has gone; it needs a restart then."""

        blocked = given_up = False

        def append(self, batch: Batch, done: Done) -> None:
            loop = asyncio.get_running_loop()
            if self.blocked:
                error = AppendError("an earlier append is of unknown fate", refused=True)
                loop.call_soon(done, META, -1, 1, error)
            elif self.given_up:
                super().append(batch, done)
            else:
                loop.call_later(0.05, self.give_up, done)

        def give_up(self, done: Done) -> None:
            self.blocked = self.given_up = True
            done(META, -1, 1, AppendError("given up", refused=False))

        def restart(self, partition: int) -> None:
            self.blocked = False

    async def run() -> None:
        monkeypatch.setattr("orchestrator.registry.metadata.APPEND_WAIT_S", 0.01)
        log = GivenUpLog(1)
        await log.open()
        metadata = Metadata(log, Defaults(), None)
        await metadata.open()
        with pytest.raises(MetadataUnavailable) as caught:
            await metadata.change(registering("a"))
        assert caught.value.unknown
        await asyncio.sleep(0.1)
        monkeypatch.setattr("orchestrator.registry.metadata.APPEND_WAIT_S", 5.0)
        assert await metadata.change(registering("b")) == "b"
        assert list(metadata.state.deployments) == ["b"]

    asyncio.run(run())


def test_what_another_version_wrote_is_not_passed_over() -> None:
    record = encode_record(DeploymentDeleted(0, "dp_1"))
    for bad in (b"", b"\x02" + record[1:], record[:-1], b"\x01\x93\x63\x00\x00",
                b"\x01\x94" + record[2:] + b"\x00"):  # fmt: skip
        with pytest.raises(MetadataCorrupt):
            decode_record(bad)


def records() -> list[AnyMetadataRecord]:
    full = deployment("dp_1", "Greeter")
    options = Settings(1, 2, 3, 4, 5, True, 6, 7, 8, 1.5, 1)
    return [
        DeploymentRegistered(0, full),
        DeploymentOverwritten(1, full),
        DeploymentMoved(2, full),
        DeploymentDeleted(3, "dp_1"),
        ServicePatched(4, "Greeter", False, options),
    ]


def test_bytes_live_for_ever() -> None:
    state = MetadataState()
    first, *_, patch = records()
    assert apply_metadata(state, first)
    lines = [f"{type(one).__name__} {encode_record(one).hex()}" for one in records()]
    lines.append(f"MetadataState {encode_state(state).hex()}")
    file = Path(__file__).parents[2] / "golden" / "metadata.txt"
    compare(file, "".join(line + "\n" for line in lines))
    for one in records():
        assert decode_record(encode_record(one)) == one
    assert decode_state(encode_state(state)) == state
    assert patch.seen == 4


def test_a_record_that_saw_another_version_changes_nothing() -> None:
    state = MetadataState()
    for late in records()[1:]:
        assert not apply_metadata(state, late)
    assert state == MetadataState()
