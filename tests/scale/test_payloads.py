"""The payload runs in small form: the same bars, on a real server."""

from tests.scale import payloads


def test_memory_is_bounded_under_large_payloads() -> None:
    said: list[str] = []
    assert payloads.run(sends=200, echoes=50, say=said.append, quiet_s=12.0), said
