"""Codecs of values on their way to and from the journal, by the names of `restate.entry_codec`."""

import abc
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias


class JournalValueCodec(abc.ABC):
    """Changes encoded values before they leave and after they come: to encrypt or compress them.

    Inputs and results of handlers, results of steps, awakeables, promises and state pass through
    it; failures do not. It must be deterministic where values are compared on replay.
    """

    @abc.abstractmethod
    def encode(self, buf: bytes) -> bytes:
        """Return what is sent in place of the bytes of a value, which may be empty."""

    @abc.abstractmethod
    async def decode(self, buf: bytes) -> bytes:
        """Return the bytes of a value from what came."""


JournalValueCodecProvider: TypeAlias = Callable[[], Awaitable[JournalValueCodec]]


class Codecs:
    """The codec of an app, made once where it is given by a provider."""

    def __init__(self, given: JournalValueCodec | JournalValueCodecProvider | None) -> None:
        self._given = given
        self._made: JournalValueCodec | None = None

    async def get(self) -> JournalValueCodec | None:
        """Return the codec; None where there is none."""
        if self._given is None or isinstance(self._given, JournalValueCodec):
            return self._given
        if self._made is None:
            made = self._given()
            self._made = await made if inspect.isawaitable(made) else made
        return self._made
