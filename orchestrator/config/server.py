"""What a node decides for all its rooms."""

import re
import socket
from pathlib import Path
from typing import Annotated

import msgspec

from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from orchestrator.runtime.kinds import ADDRESS, NAME, PATH, URL, Address, choice, size
from orchestrator.runtime.logs import FORMATS
from orchestrator.runtime.settings import Setting


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the node listens and keeps its data, and what several rooms must agree on."""

    data_dir: Annotated[Path, Setting("where the node keeps its data", PATH)] = Path(".perdure")
    ingress: Annotated[Address, Setting("address for callers", ADDRESS)] = Address(
        "127.0.0.1", 8080
    )
    admin: Annotated[Address, Setting("address for operators", ADDRESS)] = Address(
        "127.0.0.1", 9070
    )
    advertised_ingress: Annotated[
        str | None,
        Setting("URL of the ingress as others reach it", URL, default="the address for callers"),
    ] = None
    cluster: Annotated[str, Setting("name of the cluster, prefix of its topics", NAME)] = "perdure"
    node_name: Annotated[
        str | None,
        Setting("name of this node in the cluster", NAME, default="the name of the host"),
    ] = None
    payload_bytes_max: Annotated[
        int,
        Setting("largest body and service message", size(64 * 1024, 512 * 1024 * 1024)),
    ] = PAYLOAD_BYTES_MAX
    log_level: Annotated[
        str, Setting("how much is logged", choice("debug", "info", "warning", "error"))
    ] = "info"
    log_format: Annotated[str, Setting("how log lines are written", choice(*FORMATS))] = "text"

    @property
    def node(self) -> str:
        """The name of this node."""
        return self.node_name or _host_name()

    @property
    def ingress_url(self) -> str:
        """How others reach the ingress."""
        return self.advertised_ingress or f"http://{self.ingress}"


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:100] or "node"
