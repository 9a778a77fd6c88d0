"""The Invoke API of AWS Lambda and a role to assume, on this machine: it runs a real handler.

`python -m tests.parts.lambda_api module:app PORT` serves an app as a function of so many instances
that all calls of an engine run at once.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from perdure.transports.loading import load_app

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
_ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>OFROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""


class LambdaApi:
    """`faults` are answers (status, headers, body) given in place of the next calls, in order."""

    def __init__(self, *instances: Handler, port: int = 0) -> None:
        self.faults: list[tuple[int, dict[str, str], bytes]] = []
        self.called: list[str] = []  # ARNs
        self.authorizations: list[str] = []
        self._idle: queue.LifoQueue[Handler] = queue.LifoQueue()
        for one in instances:
            self._idle.put(one)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._class())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if not path.startswith("/2015-03-31/functions/"):
            return 200, {"content-type": "text/xml"}, _ROLE.encode()  # of STS
        self.called.append(unquote(path.split("/")[3]))
        if self.faults:
            return self.faults.pop(0)
        instance = self._idle.get()  # it has one event at a time
        try:
            found = instance(json.loads(body), None)
        finally:
            self._idle.put(instance)
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()

    def _class(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                api.authorizations.append(self.headers.get("authorization", ""))
                status, headers, content = api._answer(self.path, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """The tests say enough."""

        return Request


INSTANCES = 64  # as many calls as an engine has under way


if __name__ == "__main__":
    app = load_app(sys.argv[1])
    LambdaApi(*(app.lambda_handler() for _ in range(INSTANCES)), port=int(sys.argv[2]))
