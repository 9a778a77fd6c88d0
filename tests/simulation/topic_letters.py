"""What must hold of dead letters in a world that has come to rest."""

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.codec.keys import source_key
from orchestrator.machine import letters
from orchestrator.model.topic_records import DeadLetter, PurgeDeadLetters
from orchestrator.model.topics import (
    DEAD_INVOCATION,
    DEAD_RECORD,
    RecordHeaders,
    RecordOrigin,
)
from orchestrator.model.values import Failure

if TYPE_CHECKING:
    from tests.simulation.topic_checkers import Seen
    from tests.simulation.topic_world import TopicWorld

At = tuple[bytes, int, int]  # key of a source, generation, offset


def at_of(origin: RecordOrigin) -> At:
    return source_key(origin.source), origin.generation, origin.offset


def check_letters(world: "TopicWorld", seen: "Seen") -> None:
    kept = Counter(
        at_of(one.origin) for one in seen.letters if one.kind == DEAD_RECORD and one.origin
    )
    if kept != Counter(seen.unusable):
        world.oracle.broken("letters", f"unusable: {sorted(seen.unusable)}, kept {kept}")
    failed = Counter(known for _, known, outcome in seen.ended if isinstance(outcome, Failure))
    told = Counter(one.invocation_id for one in seen.letters if one.kind == DEAD_INVOCATION)
    if failed != told:
        missing, more = failed - told, told - failed
        world.oracle.broken("letters", f"failed: {len(missing)} are missing, {len(more)} too many")
    for one in seen.letters:
        origin = one.origin
        raw = (("raw", b"\xff"), ("null", None))
        is_of_users = origin is not None and origin.source.subscription != "sub_events"
        if origin is not None and is_of_users and origin.headers[:2] != raw:
            world.oracle.broken("letters", f"{at_of(origin)} lost its raw headers")
    for partition in seen.partitions:
        own = partition.state.partition_row
        held: Counter[str] = Counter()
        for _, row in partition.state.letters.scan():
            held[letters.subscription_of(row.letter)] += letters.letter_bytes(row.letter)
        if own.letter_bytes != dict(held):
            world.oracle.broken("letters", f"{own.letter_bytes} are counted, {held} are there")
    _check_kept(world, seen)
    for known, count in Counter(seen.redriven).items():
        if seen.ids[known] != 1 or count != 1:
            world.oracle.broken("letters", f"{known.hex()} was done again {seen.ids[known]} times")
    others = set(world.redriven) - set(seen.redriven)
    if any(seen.ids[known] for known in others):
        world.oracle.broken("letters", "one was done again whose letter was gone")


def check_purge(world: "TopicWorld", record: PurgeDeadLetters, epoch: int) -> None:
    """Only what was kept for long enough goes, and only the leader says so."""
    if record.epoch != epoch:
        world.oracle.broken("epochs", "a purge of another epoch counts")
    if record.before_ms > record.now_ms - world.plan.options.dead_letter_retention_ms:
        world.oracle.broken("letters", f"they are forgotten too early: {record}")
    world.oracle.counts["purges"] += 1


def _check_kept(world: "TopicWorld", seen: "Seen") -> None:
    options = world.plan.options
    late_ms = options.dead_letter_retention_ms + 2_000 * options.cleanup_s + 1_000
    for partition in seen.partitions:
        for _, row in partition.state.letters.scan():
            if row.letter.now_ms < world.now_ms() - late_ms:
                world.oracle.broken("letters", f"one of {row.letter.now_ms} is still there")


def check_published(world: "TopicWorld", seen: "Seen") -> None:
    """Each once, from where it came; without a topic for them those that are kept say so."""
    if "perdure.dlq" in world.broker.topics:
        told = Counter(
            dict(record.headers).get("perdure-dlq-source")
            for record in world.broker.committed("perdure.dlq")
        )
        wanted = Counter(_place_of(letter) for letter in seen.public.values())
        if told != wanted:
            missing, more = wanted - told, told - wanted
            world.oracle.broken("letters", f"published: {missing} missing, {more} too many")
        _check_headers(world, seen)
        return
    for partition in seen.partitions:
        for key, row in partition.state.letters.scan():
            is_public = (partition.number, key) in seen.public
            if is_public != bool(row.publish_error):
                world.oracle.broken("letters", f"{key.hex()} has {row.publish_error!r}")


def _check_headers(world: "TopicWorld", seen: "Seen") -> None:
    """The original's, whole and in order, and behind them why it is here."""
    wanted = Counter(_headers_of(letter) for letter in seen.public.values())
    told = Counter(
        tuple(one for one in record.headers if one[0] not in _NOT_COMPARED)
        for record in world.broker.committed("perdure.dlq")
    )
    if told != wanted:
        missing, more = list(wanted - told)[:1], list(told - wanted)[:1]
        world.oracle.broken("letters", f"published as {more}, not as {missing}")


_NOT_COMPARED = {"perdure-dlq-message", "perdure-dlq-invocation-id", "perdure-dlq-attempts"}


def _headers_of(letter: DeadLetter) -> RecordHeaders:
    origin = letter.origin
    why = [("perdure-dlq-reason", letter.reason.encode())]
    if origin is None:
        assert letter.produce is not None
        return (*letter.produce.headers, *why)
    why.append(("perdure-dlq-source", _place_of(letter) or b""))
    why.append(("perdure-dlq-subscription", origin.source.subscription.encode()))
    return (*origin.headers, *why)


def _place_of(letter: DeadLetter) -> bytes | None:
    origin = letter.origin
    if origin is None:
        return None
    return f"{origin.source.topic}/{origin.source.partition}/{origin.offset}".encode()
