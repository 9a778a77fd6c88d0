"""A client of HTTP/2 that blocks, on another implementation than the server's."""

import socket
from types import TracebackType

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)


class Answer:
    """What came of one stream."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.informed: list[str] = []
        self.is_over = False
        self.reset_code: int | None = None


class Http2Client:
    """One connection; `takes` says whether it gives back what it received to the windows."""

    def __init__(self, address: tuple[str, int], takes: bool = True, by_byte: bool = False) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._by_byte = by_byte
        self._rest = b""  # of a frame
        self.h2 = H2Connection(
            H2Configuration(
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                header_encoding="utf-8",
            )
        )
        self.h2.initiate_connection()
        self.answers: dict[int, Answer] = {}
        self.goodbye: int | None = None
        self._takes = takes
        self.flush()

    def __enter__(self) -> "Http2Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.socket.close()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        step = 1 if self._by_byte else max(1, len(data))
        for at in range(0, len(data), step):
            self.socket.sendall(data[at : at + step])

    def begin(
        self, method: str, path: str, headers: dict[str, str] | None = None, end: bool = False
    ) -> int:
        """Send the head of a request; the id of its stream."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
        self.h2.send_headers(stream, [*pseudo, *(headers or {}).items()], end_stream=end)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def send(self, stream: int, body: bytes, end: bool = True) -> None:
        """Send a body as the windows allow; what cannot be sent any more is left out."""
        view = memoryview(body)
        while view and not self.answers[stream].is_over:
            room = min(self.h2.local_flow_control_window(stream), 16_384)
            if not room:
                self.receive()
                continue
            self.h2.send_data(stream, bytes(view[:room]), end_stream=end and len(view) <= room)
            view = view[room:]
            self.flush()
        if not body and end:
            self.h2.end_stream(stream)
            self.flush()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        stream = self.begin(method, path, headers, end=not body)
        if body:
            self.send(stream, body)
        return self.wait(stream)

    def wait(self, stream: int) -> Answer:
        while not self.answers[stream].is_over and self.receive():
            pass
        return self.answers[stream]

    def receive(self) -> bool:
        """Take what the server sends next; False at the end of the connection."""
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            return False
        self._rest += data
        while len(self._rest) >= 9 + (size := int.from_bytes(self._rest[:3], "big")):
            frame, self._rest = self._rest[: 9 + size], self._rest[9 + size :]
            for event in self.h2.receive_data(frame):
                self._take(event)
        self.flush()
        return True

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goodbye = int(event.error_code)  # type: ignore[arg-type]
            # h2 takes it for the end at once; requests from before it go on.
            self.h2.state_machine.state = ConnectionState.CLIENT_OPEN
            return
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, ResponseReceived):
            answer.headers = {str(k): str(v) for k, v in event.headers}
            answer.status = int(answer.headers[":status"])
        elif isinstance(event, InformationalResponseReceived):
            answer.informed.append(str(dict(event.headers)[":status"]))
        elif isinstance(event, DataReceived):
            answer.body += event.data
            if self._takes:
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length or 0, event.stream_id
                )
        elif isinstance(event, StreamEnded):
            answer.is_over = True
        elif isinstance(event, StreamReset):
            answer.is_over = True
            answer.reset_code = int(event.error_code)
