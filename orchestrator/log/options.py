"""Settings of the log."""

from typing import Annotated, Final

import msgspec

from orchestrator.runtime.kinds import NAME, choice, whole_number
from orchestrator.runtime.settings import Setting

PARTITIONS_DEFAULT: Final = 4


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which log, and how a new one is made. `partitions` None: those it has, 4 if it is new."""

    kind: Annotated[str, Setting("where records go", choice("embedded", "kafka"), name="log")] = (
        "embedded"
    )
    partitions: Annotated[
        int | None,
        Setting(
            "partitions of a new log, kept with the data",
            whole_number(1, 1024),
            default=str(PARTITIONS_DEFAULT),
        ),
    ] = None
    replication_factor: Annotated[
        int | None,
        Setting("replicas of new topics", whole_number(1, 100), default="the broker's default"),
    ] = None
    new_log: Annotated[
        str | None,
        Setting("begin a new log in place of the lost one of this name (PD0109)", NAME, "none"),
    ] = None
