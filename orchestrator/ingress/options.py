"""Options and limits of the ingress."""

import msgspec

from orchestrator.model.limits import HEADERS_BYTES_MAX, PAYLOAD_BYTES_MAX


class IngressOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set; sizes in bytes, times in seconds."""

    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    head_bytes_max: int = HEADERS_BYTES_MAX  # request line and headers
    header_count_max: int = 1_000
    buffered_bytes_max: int = 512 * 1024 * 1024  # request bodies not yet complete, in sum
    connections_max: int = 20_000
    requests_max: int = 50_000  # waiting for their answer at the same time
    keep_alive_s: int = 600  # an idle connection is closed after this
    request_stall_s: int = 60  # a request or a reader that makes no progress
    half_closed_s: int = 30  # an answer is kept for a client that closed its side
    linger_s: int = 5  # what still comes after a refusal is read and dropped this long
    retry_after_s: int = 1
