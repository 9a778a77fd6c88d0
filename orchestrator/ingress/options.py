"""Options and limits of the ingress."""

from typing import Annotated

import msgspec

from orchestrator.ingress.cors import ANY, ORIGINS
from orchestrator.model.limits import HEADERS_BYTES_MAX, PAYLOAD_BYTES_MAX
from orchestrator.runtime.kinds import size
from orchestrator.runtime.settings import Setting

_BUDGET = size(1 << 20, 1 << 40)


class IngressOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set; sizes in bytes, times in seconds."""

    cors_origins: Annotated[
        tuple[str, ...],
        Setting("origins of the web pages that may call", ORIGINS, name="ingress_cors"),
    ] = ANY
    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    head_bytes_max: int = HEADERS_BYTES_MAX  # request line and headers
    header_count_max: int = 1_000
    # Small bodies have an account of their own; two of the largest size always fit.
    uploads_bytes_max: Annotated[
        int, Setting("memory for requests that are not complete, in sum", _BUDGET)
    ] = 128 * 1024 * 1024
    small_uploads_bytes_max: Annotated[
        int, Setting("the same for small ones, of up to 64KiB", _BUDGET)
    ] = 64 * 1024 * 1024
    unsent_bytes_max: Annotated[
        int, Setting("memory for answers that clients are slow to read, in sum", _BUDGET)
    ] = 64 * 1024 * 1024
    cluster: str = "perdure"  # of the engine: its own topics are no targets
    small_upload_bytes_max: int = 64 * 1024  # one that is small
    connections_max: int = 20_000
    connections_refused_max: int = 256  # beyond: answered with a refusal; even more are cut off
    streams_max: int = 256  # of a connection over HTTP/2
    requests_max: int = 50_000  # waiting for their answer at the same time
    keep_alive_s: int = 600  # an idle connection is closed after this
    head_s: int = 10  # request line and headers come within this
    body_grace_s: int = 10  # after this a body has to come at a rate
    body_rate_bytes_min: int = 2 * 1024  # a second, on average
    request_stall_s: int = 60  # a request or a reader that makes no progress
    half_closed_s: int = 30  # an answer is kept for a client that closed its side
    linger_s: int = 5  # what still comes after a refusal is read and dropped this long
    retry_after_s: int = 1
