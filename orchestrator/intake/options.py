"""Settings of the intake."""

from typing import Annotated

import msgspec

from orchestrator.runtime.kinds import BROKER_TOPIC
from orchestrator.runtime.settings import Setting


class IntakeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which topic invokes whatever the headers of its records name."""

    ingress_topic: Annotated[
        str | None,
        Setting(
            "topic whose records name their handlers",
            BROKER_TOPIC,
            "log/<cluster>.ingress with a log on Kafka",
        ),
    ] = None
