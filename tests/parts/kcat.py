"""Lines of documents that call kcat, carried out by the same library in its place."""

from __future__ import annotations

import argparse
import shlex
import time

from confluent_kafka import Consumer, Producer


def _parser() -> argparse.ArgumentParser:
    """The flags of kcat that documents use, and no others."""
    parser = argparse.ArgumentParser(prog="kcat")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("-P", dest="produce", action="store_true")
    mode.add_argument("-C", dest="consume", action="store_true")
    parser.add_argument("-b", dest="broker", required=True)
    parser.add_argument("-t", dest="topic", required=True)
    parser.add_argument("-k", dest="key")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-X", dest="options", action="append", default=[])
    parser.add_argument("-K", dest="delimiter")
    parser.add_argument("-o", dest="offset", choices=("beginning",))
    parser.add_argument("-e", dest="ends", action="store_true")
    return parser


def kcat(line: str, bootstrap: str, count: int = 0, timeout_s: float = 60.0) -> list[str]:
    """Produces what is piped in, or returns the first `count` lines that are printed.

    `bootstrap` takes the place of the broker that the line names.
    """
    words = shlex.split(line)
    piped = words[1] if words[:1] == ["echo"] and words[2] == "|" else ""
    flags = _parser().parse_args(words[words.index("kcat") + 1 :])
    options = {"bootstrap.servers": bootstrap, **dict(one.split("=") for one in flags.options)}
    if flags.produce:
        headers = [(name, value.encode()) for name, value in (h.split("=") for h in flags.headers)]
        producer = Producer(options)
        producer.produce(flags.topic, piped.encode(), flags.key, headers=headers)
        assert producer.flush(timeout_s) == 0
        return []
    options |= {"group.id": "kcat", "auto.offset.reset": "earliest"}
    consumer = Consumer({**options, "enable.auto.commit": "false"})
    try:
        consumer.subscribe([flags.topic])
        return _printed(consumer, flags.delimiter, count, timeout_s)
    finally:
        consumer.close()


def _printed(consumer: Consumer, delimiter: str | None, count: int, timeout_s: float) -> list[str]:
    deadline_s = time.monotonic() + timeout_s
    found: list[str] = []
    while len(found) < count and time.monotonic() < deadline_s:
        for record in consumer.consume(count - len(found), timeout=1):
            assert record.error() is None, record.error()
            value = (record.value() or b"").decode()
            key = (record.key() or b"").decode()
            found.append(value if delimiter is None else f"{key}{delimiter}{value}")
    return found


def lines_of(document: str) -> list[str]:
    """The lines of a document that call kcat, in order."""
    return [line for line in document.splitlines() if "kcat -" in line and " -b " in line]
