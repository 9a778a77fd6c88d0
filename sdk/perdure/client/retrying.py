"""When a client makes a request again: only if it may be made twice, and never because of a
failure of the invocation itself, which is an outcome."""

import random
from datetime import timedelta
from typing import Final

from perdure.client.request import Request, Response
from perdure.retry import Retry

DEFAULT_RETRY: Final = Retry(
    initial=timedelta(milliseconds=50),
    factor=2.0,
    max_interval=timedelta(seconds=2),
    max_attempts=6,
)
NO_RETRY: Final = Retry(max_attempts=1)
WORTH_RETRYING: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses of answers after which another attempt may fare better."""


class Unsent(ConnectionError):
    """No connection came about: the server has seen nothing of the request."""


class Pauses:
    """The pauses between the attempts at one request."""

    def __init__(self, request: Request, retry: Retry) -> None:
        self._request = request
        self._left = (retry.max_attempts or DEFAULT_RETRY.max_attempts or 1) - 1
        self._pause_s = (retry.initial or timedelta(milliseconds=50)).total_seconds()
        self._factor = retry.factor or 2.0
        self._max_s = (retry.max_interval or timedelta(seconds=2)).total_seconds()

    def after_error(self, error: Exception) -> float:
        """Return how many seconds to wait before the next attempt. If there is none, the error is
        raised, as a ConnectionError."""
        if self._request.is_safe or isinstance(error, Unsent):
            pause_s = self._next(0.0)
            if pause_s is not None:
                return pause_s
        if isinstance(error, ConnectionError):
            raise error
        raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def after(self, response: Response) -> float | None:
        """The same for an answer; None if it is final."""
        if (
            response.status not in WORTH_RETRYING
            or response.headers.get("x-restate-error-source") == "invocation"
            or not self._request.is_safe
        ):
            return None
        try:
            least_s = float(response.headers.get("retry-after", "0"))
        except ValueError:
            least_s = 0.0  # a date
        return self._next(least_s)

    def _next(self, least_s: float) -> float | None:
        if self._left <= 0:
            return None
        self._left -= 1
        pause_s = self._pause_s * random.uniform(0.7, 1.3)
        self._pause_s = min(self._max_s, self._pause_s * self._factor)
        return max(least_s, pause_s)
