"""Headers as the client tells them: one whose name is not UTF-8 keeps it from telling any."""

from confluent_kafka import Consumer, Producer, TopicPartition

from orchestrator.brokers.kafka.reading import record_of
from tests.parts.raw_headers import produce_raw

COUNT = 200  # of good ones: an interpreter that has seen many calls makes them in a shorter way


def test_a_record_whose_headers_cannot_be_read_says_so() -> None:
    brokers = Producer({"test.mock.num.brokers": 1, "log_level": 0})  # librdkafka's own
    (broker,) = brokers.list_topics(timeout=10).brokers.values()
    bootstrap = f"{broker.host}:{broker.port}"
    for _ in range(COUNT):
        brokers.produce("t", b"first", b"k", headers=[("é", b"1"), ("n", None)])
    assert brokers.flush(10) == 0
    for _ in range(2):
        produce_raw(bootstrap, "t", b"k", b"poison", [(b"\xff", b"1"), (b"n", b"2")])
    brokers.produce("t", b"last", b"k")
    assert brokers.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g"})
    try:
        count = len(brokers.list_topics("t", timeout=10).topics["t"].partitions)
        consumer.assign([TopicPartition("t", n, 0) for n in range(count)])
        found = [record_of(one) for one in consumer.consume(COUNT + 3, 10)]
    finally:
        consumer.close()
    assert [one.value for one in found[-4:]] == [b"first", b"poison", b"poison", b"last"]
    assert [one.headers for one in found[-4:]] == [(("é", b"1"), ("n", None)), (), (), ()]
    assert [one.lacks_headers for one in found[-4:]] == [False, True, True, False]
    assert not any(one.lacks_headers for one in found[:-3])
