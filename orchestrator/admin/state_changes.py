"""Reads the body of a state modification: a value is a JSON number for each byte, or a text.

Parsing a large one takes seconds, and memory many times its size, and blocks its process: so it is
read in a process of its own, `python -m` this module, that takes the body on its standard input and
gives back the same as MessagePack with values as bytes.
"""

import asyncio
import resource
import sys
from typing import Annotated, Final

import msgspec

from orchestrator.model.json_names import name_given_twice

INLINE_BYTES_MAX: Final = 64 * 1024
"""Up to here parsing takes less than a millisecond: a process is not worth its start."""

MEMORY_BYTES_MAX: Final = 2 * 1024**3
"""Address space of the process: a list of numbers takes eight bytes for two or more of JSON."""

PARSE_S_MAX: Final = 60.0

_GOOD: Final = b"+"
_BAD: Final = b"-"

_HINT: Final = """: a value is the bytes of it, or their text: "1" or [49], not 1"""

Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]


class StateChange(msgspec.Struct):
    """The whole new state of a key; values as bytes."""

    object_key: str
    new_state: dict[str, bytes]
    version: str | None = None
    scope: str | None = None


class _Sent(msgspec.Struct):
    """The same as it is sent: values as arrays of byte values, or as the UTF-8 text of them."""

    object_key: str
    new_state: dict[str, list[Byte] | str]
    version: str | None = None
    scope: str | None = None


class BadStateChange(Exception):
    """What is wrong with a body."""


async def read_state_change(body: bytes) -> StateChange:
    """Raises `BadStateChange`. Never holds the event loop for more than a few milliseconds."""
    if len(body) <= INLINE_BYTES_MAX:
        change = _parsed(body)
        _check_names(name_given_twice(body))
        return change
    answer = await _parsed_elsewhere(body)
    if answer[:1] == _GOOD:
        return msgspec.msgpack.decode(memoryview(answer)[1:], type=StateChange)
    raise BadStateChange(answer[1:].decode() or "it is too large to be parsed")


async def _parsed_elsewhere(body: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PARSE_S_MAX):
            answer, _ = await process.communicate(body)
        return answer
    except TimeoutError:
        raise BadStateChange(f"parsing it took more than {PARSE_S_MAX:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _parsed(body: bytes) -> StateChange:
    try:
        sent = msgspec.json.decode(body, type=_Sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = _HINT if "$.new_state[" in str(error) else ""
        raise BadStateChange(f"{error}{hint}") from None
    state = {
        key: value.encode() if isinstance(value, str) else bytes(value)
        for key, value in sent.new_state.items()
    }
    return StateChange(sent.object_key, state, sent.version, sent.scope)


def _check_names(twice: str | None) -> None:
    if twice is not None:
        raise BadStateChange(f"the name {twice!r} is given twice")


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    try:
        body = sys.stdin.buffer.read()
        answer = _GOOD + msgspec.msgpack.encode(_parsed(body))
        _check_names(name_given_twice(body, len(body)))  # it keeps nobody waiting here
    except BadStateChange as error:
        answer = _BAD + str(error).encode()
    except MemoryError:
        answer = _BAD
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    _main()
