"""Serves a librdkafka client on the event loop without polling: its queue wakes the loop.

The Python client does not offer ``rd_kafka_queue_io_event_enable``, but the library it brings
does. It is called by way of the handle inside the client object, whose place is known for the
versions below only; with any other version the client is polled, which is right and slower.
"""

import asyncio
import ctypes
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer

from orchestrator.kafka.clients import OnError
from orchestrator.kafka.errors import error_of
from orchestrator.runtime.wake_up import WAKE_BYTES, WakeUp

_KNOWN_LAYOUT: Final = ("2.16.",)
_POLL_S: Final = 0.005

CHUNK_COUNT: Final = 200
"""Messages that one turn of the loop takes of a consumer."""

FETCH_WAIT_MS: Final = 200
"""So long a broker may hold a fetch back; it answers as soon as there is something."""

_LOG = logging.getLogger("perdure.kafka")


class Served:
    """Calls `serve` on the loop whenever the client has something for it.

    A client in a fatal state raises its error from any call: it is passed to `on_error` like an
    error that librdkafka reports, so that no exception leaves this class.
    """

    def __init__(
        self,
        client: Producer | Consumer,
        client_id: str,
        serve: Callable[[], None],
        on_error: OnError,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._serve_client = serve
        self._on_error = on_error
        self._wake_up: WakeUp | None = WakeUp(blocking=False)
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = self._is_closed = False
        self._disable = _wake_by_queue(client, client_id, self._wake_up)
        if self._disable is None:
            self._wake_up.close()
            self._wake_up = None
            self._timer = self._loop.call_later(0, self._poll)
        else:
            self._loop.add_reader(self._wake_up.fd, self._on_wake)
            self.serve_again()  # what came before the queue could wake the loop

    def serve(self) -> None:
        try:
            self._serve_client()
        except KafkaException as raised:
            self._on_error(error_of(raised))

    def serve_again(self) -> None:
        """There may be more: serve once the loop had its turn."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._serve_due)

    def _serve_due(self) -> None:
        self._is_due = False
        if not self._is_closed:
            self.serve()

    def _on_wake(self) -> None:
        if self._wake_up is not None:
            self._wake_up.take()
            self.serve()

    def _poll(self) -> None:
        self.serve()
        self._timer = self._loop.call_later(_POLL_S, self._poll)

    def close(self) -> None:
        """Stop serving; call it before the client goes."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._wake_up is not None and self._disable is not None:
            self._disable()
            self._loop.remove_reader(self._wake_up.fd)
            self._wake_up.close()
            self._wake_up = None


def _wake_by_queue(
    client: Producer | Consumer, client_id: str, wake_up: WakeUp
) -> Callable[[], None] | None:
    """Let the client's queue wake the loop; returns how to end that, None if it cannot be."""
    library = _library()
    if library is None:
        return None
    place = id(client) + object.__basicsize__
    handle = ctypes.c_void_p.from_address(place).value
    if not handle:
        return None
    name: bytes = library.rd_kafka_name(handle)
    if not name.startswith(client_id.encode() + b"#"):
        _LOG.warning("librdkafka's handle was not found where it was expected; polling instead")
        return None
    if isinstance(client, Consumer):
        queue = library.rd_kafka_queue_get_consumer(handle)
    else:
        queue = library.rd_kafka_queue_get_main(handle)
    library.rd_kafka_queue_io_event_enable(queue, wake_up.write_fd, WAKE_BYTES, len(WAKE_BYTES))

    def disable() -> None:
        library.rd_kafka_queue_io_event_enable(queue, -1, None, 0)
        library.rd_kafka_queue_destroy(queue)

    return disable


def _library() -> ctypes.CDLL | None:
    if not str(confluent_kafka.version()).startswith(_KNOWN_LAYOUT):
        return None
    package = Path(confluent_kafka.__file__).parent
    found = sorted(package.parent.glob("confluent_kafka.libs/librdkafka-*"))
    found += sorted(package.glob(".dylibs/librdkafka*"))
    if not found:
        return None
    library = ctypes.CDLL(str(found[0]))
    library.rd_kafka_name.restype = ctypes.c_char_p
    library.rd_kafka_name.argtypes = [ctypes.c_void_p]
    for queue_of in (library.rd_kafka_queue_get_main, library.rd_kafka_queue_get_consumer):
        queue_of.restype = ctypes.c_void_p
        queue_of.argtypes = [ctypes.c_void_p]
    library.rd_kafka_queue_io_event_enable.restype = None
    library.rd_kafka_queue_io_event_enable.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.rd_kafka_queue_destroy.restype = None
    library.rd_kafka_queue_destroy.argtypes = [ctypes.c_void_p]
    return library
