"""Reads the body of a state modification: a value is a JSON number for each byte, or a text.

Parsing a large one takes seconds, and memory many times its size, and blocks its process: so it is
read in a process of its own, `python -m` this module and the bytes a state may have, that takes the
body on its standard input and gives back the same as MessagePack with values as bytes. What is too
large is refused there: millions of keys would block the loop for seconds, too.
"""

import asyncio
import resource
import sys
from typing import Annotated, Final

import msgspec

from orchestrator.model.json_names import name_given_twice
from orchestrator.model.limits import STATE_KEYS_MAX

INLINE_BYTES_MAX: Final = 64 * 1024
"""Up to here parsing takes less than a millisecond: a process is not worth its start."""

MEMORY_BYTES_MAX: Final = 2 * 1024**3
"""Address space of the process: a list of numbers takes eight bytes for two or more of JSON."""

PARSE_S_MAX: Final = 60.0
PIECE_BYTES: Final = 1 << 20
"""Handed to the process at once: what its pipe does not take is copied."""

_GOOD: Final = b"+"
_BAD: Final = b"-"
_TOO_LARGE: Final = b"="

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


class StateTooLarge(Exception):
    """More than a state may have."""


async def read_state_change(body: bytes, state_bytes_max: int) -> StateChange:
    """Raises `BadStateChange`, `StateTooLarge`. Never holds the event loop for more than some
    milliseconds, of a state of 10 MB."""
    if len(body) <= INLINE_BYTES_MAX:
        change = _parsed(body, state_bytes_max)
        _check_names(name_given_twice(body))
        return change
    answer = await _parsed_elsewhere(body, state_bytes_max)
    if answer[:1] == _GOOD:
        return msgspec.msgpack.decode(memoryview(answer)[1:], type=StateChange)
    if answer[:1] == _TOO_LARGE:
        raise StateTooLarge(answer[1:].decode())
    raise BadStateChange(answer[1:].decode() or "it is too large to be parsed")


async def _parsed_elsewhere(body: bytes, state_bytes_max: int) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        str(state_bytes_max),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PARSE_S_MAX):
            assert process.stdin is not None and process.stdout is not None
            answer, _ = await asyncio.gather(process.stdout.read(), _feed(process.stdin, body))
            await process.wait()
        return answer
    except TimeoutError:
        raise BadStateChange(f"parsing it took more than {PARSE_S_MAX:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _feed(pipe: asyncio.StreamWriter, body: bytes) -> None:
    try:
        for start in range(0, len(body), PIECE_BYTES):
            pipe.write(body[start : start + PIECE_BYTES])
            await pipe.drain()
    except ConnectionError:
        pass  # it has ended: its answer, or that there is none, says why
    pipe.close()


def _parsed(body: bytes, state_bytes_max: int) -> StateChange:
    try:
        sent = msgspec.json.decode(body, type=_Sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = _HINT if "$.new_state[" in str(error) else ""
        raise BadStateChange(f"{error}{hint}") from None
    if len(sent.new_state) > STATE_KEYS_MAX:
        raise StateTooLarge(f"a state may have {STATE_KEYS_MAX} keys here")
    state = {
        key: value.encode() if isinstance(value, str) else bytes(value)
        for key, value in sent.new_state.items()
    }
    if sum(len(key.encode()) + len(value) for key, value in state.items()) > state_bytes_max:
        raise StateTooLarge(f"a state may have {state_bytes_max} bytes here")
    return StateChange(sent.object_key, state, sent.version, sent.scope)


def _check_names(twice: str | None) -> None:
    if twice is not None:
        raise BadStateChange(f"the name {twice!r} is given twice")


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    try:
        body = sys.stdin.buffer.read()
        answer = _GOOD + msgspec.msgpack.encode(_parsed(body, int(sys.argv[1])))
        _check_names(name_given_twice(body, len(body)))  # it keeps nobody waiting here
    except BadStateChange as error:
        answer = _BAD + str(error).encode()
    except StateTooLarge as error:
        answer = _TOO_LARGE + str(error).encode()
    except MemoryError:
        answer = _BAD
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    _main()
