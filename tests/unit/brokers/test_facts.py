"""What a broker that has not heard of a new topic yet answers is no answer: it is asked again."""

import asyncio

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.brokers.facts_port import BrokerTrouble, TopicFact
from orchestrator.brokers.kafka import facts
from orchestrator.brokers.kafka.facts import KafkaFacts

TOPIC = TopicFact("orders", bytes(16), 2)


class Young(KafkaFacts):
    """Offsets are there at the third question."""

    def __init__(self, code: int) -> None:
        super().__init__((), "test")
        self.asked_count = 0
        self._code = code

    async def _listed_once(self, topic: TopicFact, point: int) -> tuple[int, ...]:
        self.asked_count += 1
        if self.asked_count < 3:
            raise KafkaException(KafkaError(self._code))
        return (0, 0)


def _offsets_of(young: Young) -> tuple[int, ...] | BrokerTrouble | None:
    async def story() -> tuple[int, ...] | BrokerTrouble | None:
        answer = asyncio.get_running_loop().create_future()
        young.offsets(TOPIC, 0, answer.set_result)
        found: tuple[int, ...] | BrokerTrouble | None = await asyncio.wait_for(answer, 10)
        return found

    return asyncio.run(story())


@pytest.mark.parametrize("code", sorted(facts._BEING_MADE))
def test_it_is_asked_again(code: int) -> None:
    young = Young(code)
    assert _offsets_of(young) == (0, 0)
    assert young.asked_count == 3


@pytest.mark.parametrize("code", (KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH))
def test_brokers_that_differ_about_the_leader_are_asked_again(code: int) -> None:
    assert _offsets_of(Young(code)) == (0, 0)


def test_other_errors_are_the_answer() -> None:
    young = Young(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert isinstance(_offsets_of(young), BrokerTrouble)
    assert young.asked_count == 1


class Broken(Young):
    async def _listed_once(self, topic: TopicFact, point: int) -> tuple[int, ...]:
        raise ValueError("a fault of s3cret")


def test_a_fault_is_an_answer_too() -> None:
    broken = Broken(0)
    broken._resolved = {"sasl.password": "s3cret"}
    answer = _offsets_of(broken)
    assert isinstance(answer, BrokerTrouble) and answer.passes
    assert answer.message == "no answer (ValueError('a fault of ***'))"
