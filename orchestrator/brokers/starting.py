"""Where the sources of a subscription start: from a point to offsets, decided once."""

from collections.abc import Mapping, Sequence

import msgspec

from orchestrator.brokers.asking import committed_of, offsets_of, topics_of
from orchestrator.brokers.facts_port import EARLIEST, LATEST, TopicFact, TopicFacts
from orchestrator.kafka.broker_options import GROUP, RESET, reset_point
from orchestrator.registry import points
from orchestrator.registry.errors import TOPIC_MISSING, RegistryError
from orchestrator.registry.points import Point, bad_point, parse_point
from orchestrator.registry.stored_topics import GO_ON, StoredStart

POINT_DEFAULT = points.LATEST


class Decided(msgspec.Struct, frozen=True):
    """`undecided` is the point that could not be turned into `starts`, which are () then."""

    starts: tuple[StoredStart, ...] = ()
    kafka_id: str = ""
    undecided: str = ""


def point_of(given: str | None, options: Mapping[str, str]) -> str:
    """What was asked for, else what `auto.offset.reset` says, else the end."""
    if given is not None:
        return given
    return reset_point(options[RESET]) if RESET in options else POINT_DEFAULT


async def decide_starts(
    facts: TopicFacts,
    topics: Sequence[str],
    point: str,
    group: str = "",
    *,
    may_miss: bool = False,
    goes_on: bool = False,
) -> Decided:
    """Ask the brokers for the offsets to start from. What `group` has committed counts first, then
    the point.

    `may_miss`: a topic that does not exist is left without a start, else RegistryError. `goes_on`:
    partitions that the point does not name stay where they are. Raises NoFacts, RegistryError.
    """
    parsed = parse_point(point)
    found = await topics_of(facts, topics)
    missing = [name for name in topics if name not in found.topics]
    if missing and not may_miss:
        raise RegistryError(
            TOPIC_MISSING,
            f"there is no topic {', '.join(missing)}: create it, or say force to wait for it"
            " (it is read from its beginning then)",
        )
    _check_named(parsed, topics)
    starts = []
    for name in topics:
        fact = found.topics.get(name)
        if fact is not None:
            offsets = await _offsets(facts, fact, parsed, group, goes_on)
            starts.append(StoredStart(name, fact.topic_id, offsets))
    return Decided(tuple(starts), found.kafka_id)


def group_of(options: Mapping[str, str]) -> str:
    return options.get(GROUP, "")


def _check_named(point: Point, topics: Sequence[str]) -> None:
    for name in point.offsets:
        if name and name not in topics:
            raise bad_point(f"the topic {name!r} is none of this subscription")
    if "" in point.offsets and len(topics) > 1:
        raise bad_point("say of which topic the offsets are")


async def _offsets(
    facts: TopicFacts, fact: TopicFact, point: Point, group: str, goes_on: bool
) -> tuple[int, ...]:
    if point.offsets:
        return await _named(facts, fact, point, goes_on)
    at = LATEST if point.is_latest else EARLIEST
    wanted = at if point.at_ms is None else point.at_ms
    offsets = await offsets_of(facts, fact, wanted)
    if not group:
        return offsets
    committed = await committed_of(facts, group, fact)
    return tuple(
        known if known >= 0 else offset for known, offset in zip(committed, offsets, strict=True)
    )


async def _named(
    facts: TopicFacts, fact: TopicFact, point: Point, goes_on: bool
) -> tuple[int, ...]:
    """Offsets that were given by number. Refused if the topic does not have them: the source would
    stop at once."""
    named = point.offsets.get(fact.name) or point.offsets.get("") or {}
    count = fact.partition_count
    unknown = sorted(n for n in named if n >= count)
    if unknown:
        raise bad_point(f"{fact.name} has {count} partitions: there is no {unknown[0]}")
    absent = [n for n in range(count) if n not in named]
    if absent and not goes_on:
        shown = ", ".join(str(n) for n in absent[:20])
        raise bad_point(f"give an offset for every partition of {fact.name}, also for {shown}")
    first = await offsets_of(facts, fact, EARLIEST)
    end = await offsets_of(facts, fact, LATEST)
    for partition, offset in named.items():
        if not first[partition] <= offset <= end[partition]:
            raise bad_point(
                f"{fact.name}/{partition} has offsets from {first[partition]} to"
                f" {end[partition]}, not {offset}"
            )
    return tuple(named.get(n, GO_ON) for n in range(count))
