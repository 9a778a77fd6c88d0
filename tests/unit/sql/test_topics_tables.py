"""Subscriptions, sources, dead letters and lanes to topics, as SQL shows them."""

import msgspec

from orchestrator.codec.keys import source_key
from orchestrator.intake.views import SourceView, SubscriptionView, SubscriptionViews
from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from orchestrator.outbox.port import LaneView
from orchestrator.registry.stored_topics import StoredSubscription, TopicsState
from orchestrator.sql.feeds import LiveViews
from orchestrator.sql.query import SqlQuery
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.topic_records import (
    intake,
    letters,
    opened,
    request,
    send,
    source_at,
    taken,
    unusable,
)
from tests.unit.sql.world import Rows, ask, attempts, no_subscriptions, run

SOURCE = source_at(0, 1)
SUBSCRIPTION = StoredSubscription(
    id="sub_1",
    name="orders",
    cluster="shop",
    topics=("orders", "returns"),
    service="Counter",
    handler="add",
    options=(("client.id", "us"), ("sasl.password", "s3cret")),
    max_in_flight=7,
    paused=True,
    reason="by hand",
    created_at_ms=1_700_000_000_000,
)


def with_topics() -> Bench:
    bench = Bench()
    bench.now_ms = 1_700_000_000_000
    bench.do(opened(bench, SOURCE, start=5))
    bench.do(intake(bench, SOURCE, 5, taken(bench, SOURCE, 5), unusable(bench, SOURCE, 6), upto=9))
    send(bench, uid(1), request(True, "answers"))
    return bench


def test_sources_letters_and_lanes() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        (source,) = await ask(query, "SELECT * FROM sys_source")
        assert (source["subscription_id"], source["topic"]) == ("sub_1", "orders")
        assert source["subscription"] == "sub_1", "nobody here knows its name"
        assert (source["position"], source["committed"], source["live"]) == (9, 5, 1)
        assert source["partition"] == SOURCE.partition and source["generation"] == 0
        (letter,) = await ask(query, "SELECT * FROM sys_dead_letter WHERE reason = 'no_key'")
        ((key, _),) = letters(rows.bench)
        assert letter["id"] == f"0-{key.hex()}" and letter["kind"] == "record"
        assert (letter["topic"], letter["topic_offset"]) == ("orders", 6)
        assert (letter["value_utf8"], letter["value_length"]) == ("1", 1)
        assert letter["created_at"].startswith("2023-11-14T22:13:20")
        assert "invocation_id" not in letter and "publish_error" not in letter
        lanes = await ask(query, "SELECT topic, rows, status FROM sys_lane")
        assert lanes == [{"topic": "answers", "rows": 1, "status": "open"}]
        assert await ask(query, "SELECT COUNT(1) AS n FROM sys_dead_letter") == [{"n": 1}]

    run(check, with_topics())


def test_columns_named_like_words_of_sql_need_no_quotes() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        (source,) = await ask(query, "SELECT topic, cluster, end FROM sys_source ORDER BY cluster")
        assert set(source) <= {"topic", "cluster", "end"} and source["topic"] == "orders"

    run(check, with_topics())


def test_subscriptions() -> None:
    topics = TopicsState(subscriptions={"sub_1": SUBSCRIPTION})

    async def check(query: SqlQuery, rows: Rows) -> None:
        (found,) = await ask(query, "SELECT * FROM sys_subscription WHERE name = 'orders'")
        assert found == {
            "id": "sub_1",
            "name": "orders",
            "cluster": "shop",
            "topics": ["orders", "returns"],
            "source": "kafka://shop/orders,returns",
            "sink": "service://Counter/add",
            "target_service_name": "Counter",
            "target_handler_name": "add",
            "options": '{"client.id":"us","sasl.password":"***"}',
            "max_in_flight": 7,
            "dead_letter_failures": False,
            "generation": 1,
            "status": "paused",
            "reason": "by hand",
            "created_at": found["created_at"],
        }

    run(check, Bench(), topics=topics)


def test_what_is_in_no_row_is_beside_it() -> None:
    """Lag, status and reason: of a source that is led here, and of its subscription."""
    key = source_key(SOURCE)
    source = SourceView(key, SOURCE, 0, 9, 5, 1, 20, "stopped", "its topic is gone")
    views = {"sub_1": SubscriptionView("stopped", "its topic is gone", 11, (source,))}

    async def look() -> SubscriptionViews:
        return views

    async def check(query: SqlQuery, rows: Rows) -> None:
        asked = "SELECT subscription, position, end, lag, status, reason FROM sys_source"
        (found,) = await ask(query, asked)
        asked = "SELECT id, status, reason, lag FROM sys_subscription"
        (subscription,) = await ask(query, asked)
        stopped = {"status": "stopped", "reason": "its topic is gone", "lag": 11}
        assert found == stopped | {"subscription": "orders", "position": 9, "end": 20}
        assert subscription == stopped | {"id": "sub_1"}

    topics = TopicsState(subscriptions={"sub_1": SUBSCRIPTION})
    run(check, with_topics(), topics=topics, views=LiveViews(attempts, look))


def test_a_letter_of_the_largest_value_is_shown() -> None:
    """In a process that may have half a gigabyte."""
    bench = Bench()
    bench.do(opened(bench, SOURCE, start=5))
    content = b"x" * PAYLOAD_BYTES_MAX
    letter = msgspec.structs.replace(unusable(bench, SOURCE, 5), value=content)
    bench.do(intake(bench, SOURCE, 5, letter, upto=6))

    async def check(query: SqlQuery, rows: Rows) -> None:
        (shown,) = await ask(query, "SELECT * FROM sys_dead_letter ORDER BY topic_offset")
        assert shown["value"] == content.hex() and shown["value_utf8"] == content.decode()

    run(check, bench)


def test_a_lane_whose_rows_cannot_be_sent_says_why() -> None:
    bench = with_topics()
    (lane,) = bench.state.partition_row.topic_lanes.values()
    lanes = {(0, lane): LaneView(bench.now_ms, "away"), (1, lane): LaneView(None, "no")}

    async def check(query: SqlQuery, rows: Rows) -> None:
        (found,) = await ask(query, "SELECT status, reason, rows, oldest FROM sys_lane")
        assert found.pop("oldest").startswith("2023-11-14T22:13:20")
        assert found == {"status": "retrying", "reason": "away", "rows": 1}

    run(check, bench, views=LiveViews(attempts, no_subscriptions, lambda: lanes))
