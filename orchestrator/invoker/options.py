"""Settings of the invoker."""

from pathlib import Path
from typing import Annotated

import msgspec

from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from orchestrator.runtime.kinds import FILE, URL, whole_number
from orchestrator.runtime.settings import Setting
from perdure.wire import VERSION_MAX, VERSION_MIN


class InvokerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and switches; those of a handler (timeouts, retries) are in the registry."""

    attempts_max: int = 8_000  # running at once, in all; each deployment has a few beyond it
    attempts_per_deployment_max: int = 4_000  # less while others run: see `slots.py`
    attempts_per_http1_deployment_max: int = 1_000  # a connection each: processes have few files
    memory_bytes_max: int = 128 * 1024 * 1024  # journals being sent, messages half received
    memory_per_deployment_bytes_max: int = 64 * 1024 * 1024  # so that one leaves some for others
    payload_bytes_max: int = PAYLOAD_BYTES_MAX  # one message of a service
    stream_bytes_max: int = 256 * 1024  # of a stream; the rest is read again when it was sent
    eager_state_bytes_max: int = PAYLOAD_BYTES_MAX  # state sent along with an attempt
    protocol_max: Annotated[
        int,
        Setting(
            "newest version of the service protocol to use", whole_number(VERSION_MIN, VERSION_MAX)
        ),
    ] = VERSION_MAX
    request_identity_key_file: Annotated[
        Path | None,
        Setting(
            "PEM with an Ed25519 key: requests to services are signed", FILE, default="not signed"
        ),
    ] = None
    flush_soon_s: float = 0.005  # how long it may wait to be proposed that others will see
    flush_later_s: float = 0.1  # the rest; a step that takes longer shows in the journal meanwhile
    cluster_name: str = ""  # told to services, if any
    lambda_endpoint: Annotated[
        str | None,
        Setting("URL of the API of AWS Lambda", URL, default="Amazon's, in the function's region"),
    ] = None
    services_ca_file: Annotated[
        Path | None,
        Setting(
            "PEM of certificates to trust beside the system's, for https:// services",
            FILE,
            default="the system's alone",
        ),
    ] = None
