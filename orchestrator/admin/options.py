"""Options and limits of the admin API."""

from typing import Annotated

import msgspec

from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from orchestrator.registry.register import PROTOCOL_MAX
from orchestrator.runtime.kinds import NAMES, whole_number
from orchestrator.runtime.settings import Setting


class AdminOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the admin API, and what the node reports of itself."""

    ingress_endpoint: str = "http://127.0.0.1:8080/"
    cluster_name: str = "perdure"
    protocol_max: int = PROTOCOL_MAX
    routing_headers: frozenset[str] = frozenset()
    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    body_bytes_max: int = 64 * 1024 * 1024  # state arrives as JSON numbers: four bytes for one
    hosts: Annotated[
        frozenset[str],
        Setting(
            "names that the admin API answers to, beside those of the loopback",
            NAMES,
            "none",
            name="admin_hosts",
        ),
    ] = frozenset()
    topic_clients_max: Annotated[
        int,
        Setting("clients that read topics, of four threads each", whole_number(1, 10_000)),
    ] = 100
    batch_count_max: int = 1000
    operate_wait_s: float = 30.0  # for the answer of a partition
