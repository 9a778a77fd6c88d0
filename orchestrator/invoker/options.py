"""Settings of the invoker."""

import msgspec

from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from perdure.wire import VERSION_MAX


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and switches; those of a handler (timeouts, retries) are in the registry."""

    attempts_max: int = 8_000  # running at once, in all
    attempts_per_deployment_max: int = 4_000  # so that one that hangs leaves room for others
    attempts_per_http1_deployment_max: int = 1_000  # a connection each: processes have few files
    memory_bytes_max: int = 1536 * 1024 * 1024  # journals being sent, messages half received
    memory_per_deployment_bytes_max: int = 768 * 1024 * 1024  # so that one leaves some for others
    payload_bytes_max: int = PAYLOAD_BYTES_MAX  # one message of a service
    eager_state_bytes_max: int = PAYLOAD_BYTES_MAX  # state sent along with an attempt
    protocol_max: int = VERSION_MAX
    cluster_name: str = ""  # told to services, if any
    ca_file: str | None = None  # certificates to trust beside the system's
