"""What a transport needs of one attempt, and what it gives it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from perdure.definitions import HandlerDefinition
from perdure.wire import InputCommand, Start


class RunningAttempt(Protocol):
    """One attempt of an invocation. Nothing of it raises."""

    def answer_engine(self) -> None:
        """Whoever calls is an engine in this process, not a transport: have `send` given lists of
        whole frames, and in them results of steps as they are to be stored. Before all else."""

    def acknowledge(self, completion_ids: list[int], /) -> None:
        """Results of steps are stored, as an engine in this process tells it."""

    def open(self, start: Start, given: InputCommand, /) -> None:
        """Take the first messages as objects, instead of their bytes: the journal holds no more."""

    def feed(self, data: bytes | memoryview, /) -> None:
        """Take bytes of the request's body, cut anywhere."""

    def end_input(self) -> None:
        """The request's body is over; what waits for more is suspended."""

    def lost(self) -> None:
        """The peer has gone: end the handler, and send nothing more."""


# handler, version of the protocol, send(bytes), ended(), the loop, the request's headers.
# `ended` is called once, after the last `send`; neither after `lost`.
StartAttempt = Callable[
    [
        HandlerDefinition,
        int,
        Callable[[bytes], None],
        Callable[[], None],
        asyncio.AbstractEventLoop,
        Mapping[str, str],
    ],
    RunningAttempt,
]
