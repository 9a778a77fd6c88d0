"""What a body of `Kafka/send` asks for, and which are refused."""

import pytest

from orchestrator.door.refusals import Refused
from orchestrator.door.sends import SEND_HANDLER, read_send, send_or_refusal
from orchestrator.door.targets import find_handler, find_public_handler, find_service
from orchestrator.model.topics import ProduceRequest
from orchestrator.registry.schema import EMPTY, Registry
from orchestrator.registry.stored_topics import StoredCluster, TopicsState


def known(*clusters: str) -> Registry:
    topics = TopicsState(clusters={name: StoredCluster(name, ()) for name in clusters})
    return Registry(1, {}, {}, topics)


LOG = known("log", "other")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"value":{"a": [1, "\xc3\xa9"]}', b'{"a": [1, "\xc3\xa9"]}'),
        (b'"value":"x"', b'"x"'),
        (b'"value":null', None),
        (b'"value_text":"a\\nb"', b"a\nb"),
        (b'"value_text":""', b""),
        (b'"value_base64":"AP8="', b"\x00\xff"),
    ],
)
def test_values(value: bytes, expected: bytes | None) -> None:
    assert read_send(b'{"topic":"t",' + value + b"}", LOG, "e", True).value == expected


def test_all_fields() -> None:
    body = b'{"topic":"t","key":"k","partition":3,"cluster":"other","headers":{"a":"1","b":null}}'
    expected = ProduceRequest("other", "t", 3, b"k", (("a", b"1"), ("b", None)), None, False)
    assert read_send(body, LOG, "e", False) == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "send"),
        (b"[]", "object"),
        (b"{}", "topic"),
        (b'{"topic":1}', "topic"),
        (b'{"topic":""}', "topic"),
        (b'{"topic":".."}', "topic"),
        (b'{"topic":"' + b"x" * 250 + b'"}', "topic"),
        (b'{"topic":"e.ledger"}', "belongs to the engine"),
        (b'{"topic":"e.state.Cart"}', "belongs to the engine"),
        (b'{"topic":"t","value":1,"value_base64":""}', "one of"),
        (b'{"topic":"t","value_base64":"?"}', "value_base64"),
        (b'{"topic":"t","partition":2147483648}', "partition"),
        (b'{"topic":"t","cluster":"x"}', "cluster"),
        (b'{"topic":"t","key":1}', "key"),
        (b'{"topic":"t","more":1}', "more"),
        (b'{"topic":"t","value_text":"\xff"}', "send"),
        (b"[" * 100_000, "send"),
    ],
)
def test_bad_bodies(body: bytes, said: str) -> None:
    with pytest.raises(Refused) as raised:
        read_send(body, LOG, "e", True)
    assert said in raised.value.refusal.message
    request = send_or_refusal(body, LOG, "e", True)
    assert request.refusal == raised.value.refusal.message and request.awaited


def test_without_a_cluster_it_is_the_log_s_or_the_only_one() -> None:
    body = b'{"topic":"t"}'
    assert read_send(body, LOG, "e", True).cluster == "log"
    assert read_send(body, known("mine"), "e", True).cluster == "mine"
    for clusters, said in ((("a", "b"), "a, b"), ((), "none")):
        with pytest.raises(Refused) as raised:
            read_send(body, known(*clusters), "e", True)
        assert said in raised.value.refusal.message


def test_it_is_found_as_any_other() -> None:
    assert find_handler(EMPTY, "Kafka", "send") is SEND_HANDLER
    assert find_public_handler(EMPTY, "Kafka", "send") is SEND_HANDLER
    assert find_service(EMPTY, "Kafka").handlers == {"send": SEND_HANDLER}
    with pytest.raises(Refused):
        find_handler(EMPTY, "Kafka", "receive")
