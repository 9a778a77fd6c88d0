"""A small synchronous client of a server's ingress and admin ports, one connection a request."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.parts.api_document import ApiDocument

Target = Sequence[str]  # ("Counter", "key", "add") or ("TestUtilsService", "echo")
NOTHING: Any = object()


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    def expect(self, *statuses: int) -> Reply:
        assert self.status in statuses, f"{self.status}, not {statuses}: {self.text[:2000]}"
        return self


def http_request(
    base: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout_s: float = 30.0,
) -> Reply:
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=timeout_s)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        lower = {key.lower(): value for key, value in response.getheaders()}
        return Reply(response.status, lower, response.read())
    finally:
        connection.close()


def fresh(prefix: str = "k") -> str:
    """A name nobody used before."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def proxied(service: str, handler: str, payload: Any, key: str | None = None) -> dict[str, Any]:
    """The request of the Proxy service for one call."""
    message = list(json.dumps(payload).encode())
    return {
        "serviceName": service,
        "virtualObjectKey": key,
        "handlerName": handler,
        "message": message,
    }


def eventually(check: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Repeat `check` until it neither raises AssertionError, nor fails to connect, nor is False."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.01
    while True:
        try:
            found = check()
            assert found is not False, "it is not so"
            return found
        except (AssertionError, OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.25)


def at_once(calls: Iterable[Callable[[], Any]], threads: int = 64) -> list[Any]:
    """Run every call in a thread of its own kind; the results in order, or the first error."""
    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def in_background(call: Callable[[], Any]) -> Future[Any]:
    """Start `call` in a daemon thread, so that a test that fails does not wait for it."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Client:
    """One server seen from outside; `explicit_routes` takes /restate/call instead of /."""

    documents: ClassVar[list[ApiDocument]] = []  # of the API, the same for all servers of ours

    def __init__(
        self, ingress: str, admin: str, explicit_routes: bool = False, is_ours: bool = False
    ) -> None:
        """Answers of a server of ours are held to the document of the admin API."""
        self.ingress = ingress
        self.admin = admin
        self.explicit_routes = explicit_routes
        self.is_ours = is_ours

    # Ingress

    def path(self, target: Target, send: bool = False) -> str:
        path = "/" + "/".join(urllib.parse.quote(part, safe="") for part in target)
        if self.explicit_routes:
            return f"/restate/{'send' if send else 'call'}{path}"
        return f"{path}/send" if send else path

    def post(
        self,
        target: Target,
        payload: Any = NOTHING,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30.0,
        send: bool = False,
        delay: str | None = None,
    ) -> Reply:
        """Call or send; `key` is the idempotency key; bytes go as they are, the rest as JSON."""
        all_headers = dict(headers or {})
        body: bytes | None = None
        if isinstance(payload, bytes):
            body = payload
        elif payload is not NOTHING:
            body = json.dumps(payload).encode()
            all_headers.setdefault("content-type", "application/json")
        if key is not None:
            all_headers["idempotency-key"] = key
        path = self.path(target, send)
        if delay is not None:
            path += "?delay=" + urllib.parse.quote(delay)
        return http_request(self.ingress, "POST", path, body, all_headers, timeout_s)

    def call(self, target: Target, payload: Any = NOTHING, **options: Any) -> Any:
        """The JSON result of a call that must succeed."""
        return self.post(target, payload, **options).expect(200).json()

    def insist(self, target: Target, payload: Any = NOTHING, timeout_s: float = 60.0) -> Any:
        """The result of a call, asked again with one idempotency key while the server is away."""
        key = fresh("insist")

        def once() -> Any:
            reply = self.post(target, payload, key=key, timeout_s=timeout_s)
            if 400 <= reply.status < 500 and reply.status not in (408, 429):
                raise RuntimeError(f"{reply.status}: {reply.text}")
            return reply.expect(200).json()

        return eventually(once, timeout_s)

    def send(self, target: Target, payload: Any = NOTHING, **options: Any) -> str:
        """The id of the invocation that was accepted."""
        reply = self.post(target, payload, send=True, **options).expect(202, 200)
        identifier: str = reply.json()["invocationId"]
        assert identifier.startswith("inv_")
        return identifier

    def get(self, path: str, timeout_s: float = 30.0) -> Reply:
        return http_request(self.ingress, "GET", path, timeout_s=timeout_s)

    def attach(self, invocation: str, timeout_s: float = 30.0) -> Reply:
        """Wait for the result; by both generations of the route."""
        if self.explicit_routes:
            return self.get(f"/restate/attach/{invocation}", timeout_s)
        return self.get(f"/restate/invocation/{invocation}/attach", timeout_s)

    def output(self, invocation: str) -> Reply:
        if self.explicit_routes:
            return self.get(f"/restate/output/{invocation}")
        return self.get(f"/restate/invocation/{invocation}/output")

    def awakeable(self, identifier: str, action: str, body: bytes, content_type: str) -> Reply:
        path = f"/restate/awakeables/{identifier}/{action}"
        return http_request(self.ingress, "POST", path, body, {"content-type": content_type})

    # Admin

    def admin_request(
        self, method: str, path: str, payload: Any = NOTHING, timeout_s: float = 30.0
    ) -> Reply:
        body = None if payload is NOTHING else json.dumps(payload).encode()
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        reply = http_request(self.admin, method, path, body, headers, timeout_s)
        if self.is_ours:
            media = reply.headers.get("content-type", "")
            self._document().check(method, path, reply.status, media, reply.body)
        return reply

    def _document(self) -> ApiDocument:
        if not self.documents:
            found = http_request(self.admin, "GET", "/openapi").expect(200).json()
            self.documents.append(ApiDocument(found))
        return self.documents[0]

    def register(self, uri: str, use_http_11: bool = False, **options: Any) -> str:
        """The id of the deployment at `uri`."""
        place = {"arn": uri} if uri.startswith("arn:") else {"uri": uri, "use_http_11": use_http_11}
        payload = {**place, **options}
        reply = self.admin_request("POST", "/deployments", payload).expect(200, 201)
        identifier: str = reply.json()["id"]
        return identifier

    def operate(self, invocation: str, operation: str, query: str = "") -> Reply:
        """PATCH /invocations/<id>/<cancel | kill | purge | pause | resume | restart-as-new>."""
        return self.admin_request("PATCH", f"/invocations/{invocation}/{operation}{query}")

    def query(self, sql: str) -> list[dict[str, Any]]:
        reply = self.admin_request("POST", "/query", {"query": sql}).expect(200)
        rows: list[dict[str, Any]] = reply.json()["rows"]
        return rows

    def invocation(self, identifier: str) -> dict[str, Any] | None:
        rows = self.query(f"SELECT * FROM sys_invocation WHERE id = '{identifier}'")
        return rows[0] if rows else None

    def events(self, identifier: str, kind: str) -> list[dict[str, Any]]:
        """The events of one kind (TransientError, Paused) of an invocation, oldest first."""
        rows = self.query(
            "SELECT event_json FROM sys_journal_events "
            f"WHERE id = '{identifier}' AND event_type = '{kind}' ORDER BY appended_at"
        )
        return [json.loads(row["event_json"]) for row in rows]

    def wait_status(self, identifier: str, *statuses: str, timeout_s: float = 20.0) -> Any:
        """The row of an invocation once it has one of `statuses`."""

        def check() -> Any:
            row = self.invocation(identifier)
            assert row is not None and row["status"] in statuses, row
            return row

        return eventually(check, timeout_s)
