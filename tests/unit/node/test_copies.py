"""How often a payload is in memory on its whole way: in, to the log, a service, back, and out."""

import asyncio
import gc
import tracemalloc
from pathlib import Path

import perdure

MB = 1 << 20
PIECE = b"x" * (MB // 4)
ANY_PORT = {"ingress": "127.0.0.1:0", "admin": "127.0.0.1:0", "partitions": "1"}
COPIES_MAX = 7  # 6.5 are seen, and of these two or more are the service's, in this process too

echoing = perdure.Service("Echoing")


@echoing.handler
async def echo(ctx: perdure.Context, body: bytes) -> bytes:
    return body


async def _echo(ingress: str, size_bytes: int) -> None:
    """Neither what is sent nor what comes is ever whole here."""
    host, port = ingress.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /Echoing/echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/octet-stream\r\n"
        b"content-length: %d\r\n\r\n" % size_bytes
    )
    for _ in range(size_bytes // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    left = size_bytes
    while left:
        left -= len(await reader.read(MB))
    writer.close()


async def _peak_bytes(ingress: str, size_bytes: int) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        await _echo(ingress, size_bytes)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_payload_is_in_memory_a_bounded_number_of_times(tmp_path: Path) -> None:
    """What the interpreter holds; twice the payload takes twice as much."""

    async def main() -> None:
        async with perdure.app(echoing).embedded(tmp_path, settings=ANY_PORT) as engine:
            await _echo(engine.ingress_url, MB)
            some = await _peak_bytes(engine.ingress_url, 5 * MB)
            twice = await _peak_bytes(engine.ingress_url, 10 * MB)
            assert some <= COPIES_MAX * 5 * MB
            assert twice <= COPIES_MAX * 10 * MB
            assert twice <= 2.6 * some

    asyncio.run(main())
