"""Why a query was not answered."""

STATUS_OK = 200
STATUS_BAD_QUERY = 400
STATUS_TOO_LARGE = 422
STATUS_TOO_MANY = 429
STATUS_FAILED = 500
STATUS_UNAVAILABLE = 503
STATUS_TOO_LONG = 504

# How a query ended, for whoever counts.
ANSWERED = "answered"
BROKEN_OFF = "broken_off"
HOW = {
    STATUS_BAD_QUERY: "bad",
    STATUS_TOO_LARGE: "too_large",
    STATUS_TOO_MANY: "too_many",
    STATUS_FAILED: "failed",
    STATUS_UNAVAILABLE: "unavailable",
    STATUS_TOO_LONG: "too_long",
}


class QueryError(Exception):
    """A query that cannot be answered; `status` is HTTP's.

    `whole`: the child has said all about it, and can be asked the next one.
    """

    def __init__(self, status: int, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.whole = whole


def out_of_memory(memory_bytes_max: int) -> str:
    """The message for a query that needs too much memory."""
    mebibytes = memory_bytes_max >> 20
    return (
        f"the query needs more memory than a query may have, {mebibytes} MiB: ask for less, or"
        " start the server with a larger --query-memory-max"
    )
