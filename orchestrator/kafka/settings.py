"""Settings of the connection to the brokers."""

from pathlib import Path
from typing import Annotated

import msgspec

from orchestrator.runtime.kinds import BROKERS, FILE, PAIRS
from orchestrator.runtime.settings import Setting


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the brokers are, and what is passed on to librdkafka."""

    bootstrap: Annotated[
        str | None,
        Setting("brokers, HOST:PORT separated by commas", BROKERS, "none", name="kafka_bootstrap"),
    ] = None
    ca_file: Annotated[
        Path | None,
        Setting(
            "PEM file with the authority that signed the brokers' certificates; turns on TLS",
            FILE,
            "none",
            name="kafka_ca_file",
        ),
    ] = None
    librdkafka: Annotated[
        dict[str, str],
        Setting(
            "an option of librdkafka as k=v, may be repeated",
            PAIRS,
            name="kafka_options",
            flag_name="kafka_option",
            is_repeatable=True,
        ),
    ] = msgspec.field(default_factory=dict)
