"""Questions to a broker cluster for coroutines; what has no answer is raised."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from orchestrator.brokers.facts_port import (
    OUT_OF_REACH,
    QUESTION_S,
    BrokerTrouble,
    FoundTopics,
    TopicFact,
    TopicFacts,
)
from orchestrator.brokers.reader_port import InRecord

T = TypeVar("T")

ANSWER_S: Final = 4 * QUESTION_S  # a question may be several requests


class NoFacts(Exception):
    """A broker cluster did not answer, or not with facts."""

    def __init__(self, trouble: BrokerTrouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


async def topics_of(facts: TopicFacts, names: Sequence[str]) -> FoundTopics:
    """As `TopicFacts.topics`; raises NoFacts, also if the user may not ask for one of them."""
    found: FoundTopics = await _answer(lambda on_found: facts.topics(names, on_found))
    for refused in found.refused.values():
        raise NoFacts(refused)
    return found


async def offsets_of(facts: TopicFacts, topic: TopicFact, point: int) -> tuple[int, ...]:
    """As `TopicFacts.offsets`; raises NoFacts."""
    return await _answer(lambda on_found: facts.offsets(topic, point, on_found))


async def committed_of(facts: TopicFacts, group: str, topic: TopicFact) -> tuple[int, ...]:
    """As `TopicFacts.committed`; raises NoFacts."""
    return await _answer(lambda on_found: facts.committed(group, topic, on_found))


async def record_at(
    facts: TopicFacts, topic: TopicFact, partition: int, offset: int
) -> InRecord | None:
    """As `TopicFacts.record`; raises NoFacts."""
    return await _answer(lambda on_found: facts.record(topic, partition, offset, on_found))


async def made_topic(
    facts: TopicFacts, name: str, partition_count: int, settings: Mapping[str, str]
) -> bool:
    """As `TopicFacts.make_topic`; raises NoFacts."""
    return await _answer(lambda on_made: facts.make_topic(name, partition_count, settings, on_made))


async def members_of(facts: TopicFacts, group: str) -> tuple[str, ...]:
    """As `TopicFacts.members`; raises NoFacts."""
    return await _answer(lambda on_found: facts.members(group, on_found))


async def _answer(ask: Callable[[Callable[[T | BrokerTrouble], None]], None]) -> T:
    """The answer given to the callback that `ask` is called with; raises NoFacts."""
    waiter: asyncio.Future[T | BrokerTrouble] = asyncio.get_running_loop().create_future()

    def on_found(answer: T | BrokerTrouble) -> None:
        if not waiter.done():
            waiter.set_result(answer)

    ask(on_found)
    try:
        answer = await asyncio.wait_for(waiter, ANSWER_S)
    except TimeoutError:
        # Facts that were closed meanwhile, since the options changed, never answer.
        raise NoFacts(BrokerTrouble(OUT_OF_REACH, "no answer came", passes=True)) from None
    if isinstance(answer, BrokerTrouble):
        raise NoFacts(answer)
    return answer
