"""HTTP/1.1 with the standard library; connections are kept and used by one thread at a time."""

import http.client
import select
import socket
import threading
import time
from typing import Final

from perdure.client.places import Place
from perdure.client.request import Request, Response
from perdure.client.retrying import Pauses, Unsent
from perdure.retry import Retry

_IDLE_MAX: Final = 64
_CONNECT_TIMEOUT_S: Final = 10.0


class BlockingHttp:
    """Makes requests to one server; may be used by many threads."""

    def __init__(self, place: Place, headers: dict[str, str], retry: Retry) -> None:
        self._place = place
        self._headers = headers
        self._retry = retry
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def exchange(self, request: Request, timeout_s: float | None) -> Response:
        """Return the answer; raises TimeoutError after so many seconds, and ConnectionError."""
        pauses = Pauses(request, self._retry)
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise TimeoutError(f"no answer within {timeout_s} s")
            try:
                response = self._once(request, left_s)
            except TimeoutError:
                raise TimeoutError(f"no answer within {timeout_s} s") from None
            except (OSError, http.client.HTTPException) as error:
                pause_s = pauses.after_error(error)
            else:
                again_s = pauses.after(response)
                if again_s is None:
                    return response
                pause_s = again_s
            if deadline_s is not None:
                pause_s = min(pause_s, max(0.0, deadline_s - time.monotonic()))
            time.sleep(pause_s)

    def close(self) -> None:
        """Close what is idle; requests under way end by themselves."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _once(self, request: Request, timeout_s: float | None) -> Response:
        connection = self._take(timeout_s)
        try:
            sock = connection.sock
            assert sock is not None
            sock.settimeout(timeout_s)
            connection.request(
                request.method,
                self._place.prefix + request.path,
                request.body or (b"" if request.method == "POST" else None),
                {**self._headers, **request.headers},
            )
            answer = connection.getresponse()
            body = answer.read()
        except BaseException:
            connection.close()
            raise
        headers = {name.lower(): value for name, value in answer.getheaders()}
        self._give_back(connection, answer.will_close)
        return Response(answer.status, headers, body)

    def _take(self, timeout_s: float | None) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                if self._closed:
                    raise RuntimeError("the client is closed")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(timeout_s)
            sock = connection.sock
            if sock is not None and not select.select([sock], [], [], 0)[0]:
                return connection
            connection.close()  # the server has closed it while it was idle

    def _connect(self, timeout_s: float | None) -> http.client.HTTPConnection:
        place = self._place
        connect_s = _CONNECT_TIMEOUT_S if timeout_s is None else min(timeout_s, _CONNECT_TIMEOUT_S)
        connection: http.client.HTTPConnection
        if place.tls is None:
            connection = http.client.HTTPConnection(place.host, place.port, timeout=connect_s)
        else:
            connection = http.client.HTTPSConnection(
                place.host, place.port, timeout=connect_s, context=place.tls
            )
        try:
            connection.connect()
        except TimeoutError:
            if timeout_s is not None and connect_s >= timeout_s:
                raise
            raise Unsent(f"no connection within {connect_s} s to {place.shown}") from None
        except OSError as error:
            raise Unsent(f"no connection to {place.shown}: {error}") from error
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _give_back(self, connection: http.client.HTTPConnection, will_close: bool) -> None:
        with self._lock:
            keep = not (will_close or self._closed) and len(self._idle) < _IDLE_MAX
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
