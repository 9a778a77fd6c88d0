"""Where a request begins on the admin port, and what comes before and after it."""

import asyncio

import pytest

from orchestrator.node.admin_server import AdminServer
from tests.unit.node.test_admin_server import answer, post, run


@pytest.mark.parametrize("odd", [b"GET  /slow HTTP/1.1", b"GET /slow RTSP/1.0", b"nonsense"])
def test_what_follows_a_request_is_refused_after_its_answer(odd: bytes) -> None:
    """Its line is not taken for that of the request before, even if that has it in its body."""
    line = b"GET /slow HTTP/1.1\r\n"
    length = b"Host: a\r\nContent-Length: %d\r\n\r\n" % len(line)

    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line + length + line + odd + b"\r\nHost: a\r\n\r\n")
        answers = await reader.read()
        assert answers.startswith(b"HTTP/1.1 200") and answers.count(b"HTTP/1.1 400") == 1
        writer.close()

    run(check)


def test_empty_lines_before_a_request_mean_nothing() -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for before in (b"\r\n", b"\n", b"\r\n\r\n"):
            writer.write(before + post(b"x"))
            head, said = await answer(reader)
            assert head.startswith(b"HTTP/1.1 200") and said["body"] == "x"
        writer.close()

    run(check)


@pytest.mark.parametrize("method", [b"FOO", b"get", b"X-Y_Z!"])
def test_a_method_that_nobody_has_heard_of_is_told_which_are_taken(method: bytes) -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        line = method + b" /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
        writer.write(line + post(b"next"))
        writer.write_eof()
        answers = await reader.read()
        assert answers.startswith(b"HTTP/1.1 405") and b"allow: POST" in answers
        assert answers.count(b"HTTP/1.1 200") == 1 and b'"next"' in answers
        writer.close()

    run(check)
