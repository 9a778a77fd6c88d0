"""What the client gives and raises, by the names of `restate.client_types`."""

import abc


class RestateClientSendHandle:
    """An invocation that was sent."""

    def __init__(self, invocation_id: str, status_code: int) -> None:
        self.invocation_id = invocation_id
        self.status_code = status_code


class HttpError(Exception):
    """A request that failed, or an invocation that did."""

    def __init__(self, status_code: int, message: str, body: str | None = None) -> None:
        super().__init__(f"HTTP {status_code}: {message}")
        self.status_code = status_code
        self.message = message
        self.body = body


class RestateScopedClient(abc.ABC):  # noqa: B024 - a name for annotations
    """A client within a scope; see `perdure.compat.client.ScopedClient`."""


class RestateClient(abc.ABC):  # noqa: B024 - a name for annotations
    """A client of an ingress; see `perdure.compat.client.Client`."""
