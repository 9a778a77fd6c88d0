"""librdkafka repeats itself at every attempt; the log of the server does not."""

import logging

from orchestrator.kafka.library_log import OncePerMinute


def line(text: str, created: float) -> logging.LogRecord:
    record = logging.LogRecord("x", logging.ERROR, "x", 1, text, None, None)
    record.created = created
    return record


def test_a_line_comes_again_only_after_a_minute_whatever_its_numbers() -> None:
    once = OncePerMinute()
    assert once.filter(line("Connect to 127.0.0.1:9092 failed (after 3ms)", 1000.0))
    assert not once.filter(line("Connect to 127.0.0.1:9092 failed (after 17ms)", 1030.0))
    assert once.filter(line("Fatal error: fenced", 1031.0))
    assert once.filter(line("Connect to 127.0.0.1:9092 failed (after 4ms)", 1061.0))


def test_warnings_of_options_for_other_clients_are_left_out() -> None:
    assert not OncePerMinute().filter(line("CONFWARN linger.ms is a producer property", 1.0))


def test_what_the_server_purges_itself_is_no_critical_fault() -> None:
    purged = line("FATAL 1 message(s) failed: Local: Purged in flight: unable to satisfy", 1000.0)
    other = line("FATAL fenced", 1000.0)
    for each in (purged, other):
        assert OncePerMinute().filter(each)
    assert (purged.levelname, other.levelname) == ("INFO", "ERROR")
