"""The first bytes of an attempt are those that the codec of the protocol would write, and the first
objects what it would read."""

import msgspec
from hypothesis import given as forall
from hypothesis import strategies as st

from orchestrator.invoker.opening import opening, opening_objects
from orchestrator.model.ids import random_seed
from perdure import wire
from tests.unit.invoker import samples

_TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
_U32 = st.integers(0, 2**32 - 1)
_U64 = st.integers(0, 2**64 - 1)
_ID = wire.invocation_id_to_str(samples.invoke().id)


@forall(
    protocol=st.sampled_from([5, 6, 7]),
    entries=st.integers(1, 2**32 - 1),
    headers=st.lists(st.tuples(_TEXT, _TEXT), max_size=5),
    body=st.binary(max_size=300),
    state=st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5)), max_size=2),
    partial=st.booleans(),
    key=st.sampled_from(["", "k", "\u00e9"]),
    retries=st.sampled_from([0, 3]),
    trying_since_ms=st.integers(0, 2**44),
    seed=_U64,
    idempotency_key=st.sampled_from([None, "", "i"]),
)
def test_the_bytes_are_the_codecs(
    protocol: int,
    entries: int,
    headers: list[tuple[str, str]],
    body: bytes,
    state: list[tuple[bytes, bytes]],
    partial: bool,
    key: str,
    retries: int,
    trying_since_ms: int,
    seed: int,
    idempotency_key: str | None,
) -> None:
    now_ms = 2**43
    invoke = msgspec.structs.replace(
        samples.invoke(),
        headers=tuple(headers),
        body=body,
        key=key,
        seed=seed,
        idempotency_key=idempotency_key,
    )
    given = samples.given(
        invoke,
        entries=entries,
        failures_since_entry=retries,
        trying_since_ms=trying_since_ms,
    )
    expected = wire.start_message(
        protocol,
        invoke.id,
        _ID,
        entries,
        state=state,
        partial_state=partial,
        key=key,
        retry_count=retries,
        retry_duration_ms=max(0, now_ms - trying_since_ms) if retries else 0,
        random_seed=seed or random_seed(invoke.id),
        idempotency_key=idempotency_key,
    ) + wire.input_command(headers, body)
    data = b"".join(opening(given, protocol, _ID, state, partial, now_ms))
    assert data == expected
    start, asked = (
        wire.decode_frame(code, frame) for code, _, frame in wire.FrameReader(1 << 20).feed(data)
    )
    start.debug_id = ""  # made of the id by who wants it
    assert opening_objects(given, protocol, state, partial, now_ms) == (start, asked)


def test_large_inputs_and_many_headers() -> None:
    for count in range(5_000):
        invoke = msgspec.structs.replace(
            samples.invoke(), headers=((f"name{count}", "v" * (count % 200)),), body=b"x" * count
        )
        data = b"".join(opening(samples.given(invoke), 7, _ID, [], True, 0))
        assert data.endswith(wire.input_command(invoke.headers, invoke.body))


def test_headers_keep_their_order_and_may_come_twice() -> None:
    headers = (("b", "1"), ("a", "2"), ("b", "3"), ("b", "1"))
    invoke = msgspec.structs.replace(samples.invoke(), headers=headers)
    data = b"".join(opening(samples.given(invoke), 7, _ID, [], True, 0))
    (_, (code, _, given)) = wire.FrameReader(1 << 20).feed(data)
    found = wire.decode_frame(code, given)
    assert isinstance(found, wire.InputCommand) and found.headers == headers
