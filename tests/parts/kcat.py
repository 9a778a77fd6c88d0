"""Stands in for kcat: lines of documents that call it, carried out by the same library.

`python -m tests.parts.kcat` takes the flags of kcat that documents use, and no others.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

_FIELD = re.compile(r"%([kshopt])|\\n")
_END_S = 60.0  # a topic is read to its end within it


def _parser() -> argparse.ArgumentParser:
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
    parser.add_argument("-f", dest="form")
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
    options = _options(flags, bootstrap)
    if flags.produce:
        _produce(flags, options, [piped], timeout_s)
        return []
    consumer = Consumer(options)
    try:
        consumer.subscribe([flags.topic])
        return _printed(consumer, flags, count, timeout_s)
    finally:
        consumer.close()


def _options(flags: argparse.Namespace, bootstrap: str) -> dict[str, Any]:
    options = {"bootstrap.servers": bootstrap, **dict(one.split("=") for one in flags.options)}
    if flags.produce:
        return options
    reading = {"auto.offset.reset": "earliest", "enable.auto.commit": "false", "group.id": "kcat"}
    return options | reading


def _produce(
    flags: argparse.Namespace, options: dict[str, Any], values: list[str], timeout_s: float
) -> None:
    headers = [(name, value.encode()) for name, value in (h.split("=") for h in flags.headers)]
    producer = Producer(options)
    for value in values:
        producer.produce(flags.topic, value.encode(), flags.key, headers=headers)
    assert producer.flush(timeout_s) == 0


def _printed(
    consumer: Consumer, flags: argparse.Namespace, count: int, timeout_s: float
) -> list[str]:
    deadline_s = time.monotonic() + timeout_s
    found: list[str] = []
    while len(found) < count and time.monotonic() < deadline_s:
        for record in consumer.consume(count - len(found), timeout=1):
            assert record.error() is None, record.error()
            found.append(_shown(record, flags).removesuffix("\n"))
    return found


def _shown(record: Any, flags: argparse.Namespace) -> str:
    """As `-f` says; else the value, behind its key if `-K` says so."""
    form = flags.form or ("%s\\n" if flags.delimiter is None else f"%k{flags.delimiter}%s\\n")
    headers = ",".join(f"{name}={_text(value)}" for name, value in record.headers() or [])
    fields = {"k": _text(record.key()), "s": _text(record.value()), "h": headers}
    fields |= {"o": str(record.offset()), "p": str(record.partition()), "t": record.topic()}
    return _FIELD.sub(lambda found: fields[found[1]] if found[1] else "\n", form)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def lines_of(document: str) -> list[str]:
    """The lines of a document that call kcat, in order."""
    return [line for line in document.splitlines() if "kcat -" in line and " -b " in line]


def _print_to_the_end(flags: argparse.Namespace) -> None:
    consumer = Consumer(_options(flags, flags.broker) | {"enable.partition.eof": "true"})
    try:
        count = len(consumer.list_topics(flags.topic, timeout=30).topics[flags.topic].partitions)
        places = [TopicPartition(flags.topic, n, OFFSET_BEGINNING) for n in range(count)]
        consumer.assign(places)
        deadline_s = time.monotonic() + _END_S
        while count and time.monotonic() < deadline_s:
            for record in consumer.consume(100, timeout=1):
                error = record.error()
                if error is None:
                    sys.stdout.write(_shown(record, flags))
                    continue
                assert error.code() == KafkaError._PARTITION_EOF, error
                count -= 1
    finally:
        consumer.close()


def main() -> None:
    flags = _parser().parse_args()
    if flags.produce:
        _produce(flags, _options(flags, flags.broker), sys.stdin.read().splitlines(), _END_S)
    else:
        _print_to_the_end(flags)


if __name__ == "__main__":
    main()
