"""`python -m tests.compose [--no-build]`: build the images, run both compositions, kill parts.

Ends with what was measured; the exit code says whether all held.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer

from tests.compose.engine import Stack, docker
from tests.deploy.readme import the_counts, the_reply
from tests.parts.client import eventually, http_request
from tests.parts.compose import EMBEDDED, KAFKA
from tests.parts.processes import wait_until

INGRESS = "http://127.0.0.1:8080"
BROKER = "localhost:9092"
IMAGE_MB_MAX = 350
UP_S_MAX = 45


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def add(amount: int, once: str) -> int:
    """A call that is repeated until it is answered, and counts once."""
    headers = {"content-type": "application/json", "idempotency-key": once}
    body = json.dumps({"amount": amount}).encode()

    def ask() -> int:
        reply = http_request(INGRESS, "POST", "/Counter/ann/add", body, headers).expect(200)
        return int(reply.json())

    return int(eventually(ask, 120.0))


def image() -> None:
    """What the built image is like."""
    found = json.loads(docker("inspect", "perdure"))[0]
    size_mb = found["Size"] / 1e6
    say(f"the image has {size_mb:.0f} MB (at most {IMAGE_MB_MAX})")
    assert size_mb < IMAGE_MB_MAX
    said = docker("run", "--rm", "--read-only", "--cap-drop=ALL", "perdure", "--version")
    assert said.startswith("perdure ")
    script = "import os; print(os.getuid(), os.path.exists('/bin/sh'), os.access('/', os.W_OK))"
    asked = ("run", "--rm", "--entrypoint", "/opt/perdure/bin/python", "perdure", "-c", script)
    assert docker(*asked).split() == ["10001", "False", "False"]


def parts_are_killed(stack: Stack, services: list[str]) -> None:
    expected = add(1, "kill")
    first = expected
    for service in services:
        before = stack.inspect(service)["State"]["StartedAt"]
        who = stack.kill(service)
        wait_until(lambda s=service, b=before: stack.restarted(s, b), 60.0, f"{service} is back")
        expected += 10
        began_s = time.monotonic()
        assert add(10, f"after {service}") == expected
        say(f"{service} was killed and {who}: the next answer after {_since(began_s)}")
        wait_until(lambda s=service: stack.health(s) == "healthy", 120.0, f"{service} is healthy")
    assert add(1, "kill") == first, "the same call, the same answer"


def _since(began_s: float) -> str:
    return f"{time.monotonic() - began_s:.1f} s"


def counted(key: str) -> int:
    return int(http_request(INGRESS, "POST", f"/Counter/{key}/read").expect(200).json())


def records_are_counted(key: str, amounts: range, total: int) -> None:
    """Records of the topic `orders`, as a client on this machine produces them."""
    producer = Producer({"bootstrap.servers": BROKER})
    for amount in amounts:
        producer.produce("orders", json.dumps({"amount": amount}), key)
    assert producer.flush(60) == 0
    began_s = time.monotonic()
    wait_until(lambda: counted(key) == total, 120.0, f"{total} counted for {key}")
    say(f"{len(amounts)} records of a topic were counted within {_since(began_s)}")


def reply_by_topic() -> None:
    """What the README shows first: a call over HTTP, a record, and its reply."""
    assert add(2, "up") == 2
    the_reply(BROKER)


def reply_over_http() -> None:
    assert add(2, "up") == 2


def kafka(stack: Stack) -> None:
    the_counts(BROKER)
    records_are_counted("bob", range(100), 4950)
    parts_are_killed(stack, ["perdure", "example", "kafka"])
    records_are_counted("bob", range(100), 9900)


def embedded(stack: Stack) -> None:
    parts_are_killed(stack, ["perdure", "example"])


def run(
    path: Path, first: Callable[[], None], check: Callable[[Stack], None], build: bool
) -> float:
    """The seconds from `up` to the first reply."""
    stack = Stack(path)
    stack.down()
    if build:
        stack.compose("build", timeout_s=1800.0)
        image()
    try:
        began_s = time.monotonic()
        stack.up()
        say(f"{path.name}: all is up after {_since(began_s)}")
        first()
        took_s = time.monotonic() - began_s
        say(f"{path.name}: up to the first reply {took_s:.1f} s (at most {UP_S_MAX})")
        check(stack)
        stack.up()  # once more: nothing changes, nothing fails
        took_to_stop_s, code = stack.stop_s("perdure")
        say(f"perdure ends on SIGTERM within {took_to_stop_s:.1f} s, exit code {code}")
        assert code == 0 and took_to_stop_s < 10
        return took_s
    except AssertionError:
        print(stack.compose("logs", "--tail", "40"), flush=True)
        raise
    finally:
        stack.down()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument("--no-build", action="store_true", help="the images are there")
    build = not parser.parse_args().no_build
    took_s = [
        run(KAFKA, reply_by_topic, kafka, build),
        run(EMBEDDED, reply_over_http, embedded, False),
    ]
    if max(took_s) >= UP_S_MAX:
        say(f"all held, but a start took more than {UP_S_MAX} s: is the machine busy?")
        return 1
    say("all held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
