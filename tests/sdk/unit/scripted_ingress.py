"""A server of HTTP/1.1 in a thread that answers as a function says, and keeps what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


# status, headers, body; None closes the connection without an answer.
Reply = tuple[int, dict[str, str], bytes] | None


class ScriptedIngress:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Callable[[Asked], Reply] = lambda asked: (200, {}, b"")
        self.url = ""
        self.port = 0


@contextmanager
def scripted_ingress() -> Iterator[ScriptedIngress]:
    place = ScriptedIngress()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            place.asked.append(asked)
            reply = place.reply(asked)
            if reply is None:
                self.close_connection = True
                return
            status, made, content = reply
            self.send_response(status)
            for name, value in made.items():
                self.send_header(name, value)
            if made.get("transfer-encoding") == "chunked":
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _serve

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    place.port = server.server_address[1]
    place.url = f"http://127.0.0.1:{place.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
