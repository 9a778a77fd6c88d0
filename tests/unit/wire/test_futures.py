"""Futures: limits of depth and size, walked without recursion."""

import pytest
from hypothesis import given

from perdure.wire import (
    FUTURE_DEPTH_MAX,
    FUTURE_NODES_MAX,
    FutureTooLarge,
    Suspension,
    WireError,
    WireFuture,
    codes,
    decode,
    encode,
)
from perdure.wire.futures import write_future
from perdure.wire.proto3 import set_bytes, varint
from tests.unit.wire.strategies import futures


def nested(levels: int) -> WireFuture:
    future = WireFuture(codes.ALL_COMPLETED, [1])
    for _ in range(levels - 1):
        future = WireFuture(codes.FIRST_COMPLETED, nested=[future])
    return future


def payload(future: WireFuture) -> bytes:
    return encode(Suspension(future))[8:]


def test_the_deepest_future_allowed_is_read_and_compared() -> None:
    future = nested(FUTURE_DEPTH_MAX)
    assert decode(codes.SUSPENSION, payload(future)) == Suspension(future)
    assert not future.is_empty()
    assert future.flat() == WireFuture(completions=[1])
    assert "nested=<1>" in repr(future)


def test_a_deeper_one_is_refused() -> None:
    for code, number in ((codes.SUSPENSION, 4), (codes.AWAITING_ON, 1)):
        tree = set_bytes(number, write_future(nested(FUTURE_DEPTH_MAX + 1)))
        with pytest.raises(FutureTooLarge, match="1000 levels"):
            decode(code, tree)
    assert issubclass(FutureTooLarge, WireError)


def test_a_wide_one_is_refused_past_the_limit_of_nodes() -> None:
    def wide(children: int) -> bytes:
        body = b"\x22\x00" * children
        return b"\x22" + varint(len(body)) + body

    found = decode(codes.SUSPENSION, wide(FUTURE_NODES_MAX - 1))
    assert isinstance(found, Suspension)
    assert found.awaiting_on.is_empty()
    with pytest.raises(FutureTooLarge, match="combinators"):
        decode(codes.SUSPENSION, wide(FUTURE_NODES_MAX))


def test_damage_far_down_is_found() -> None:
    body = b"\x08"
    for _ in range(500):
        body = b"\x22" + varint(len(body)) + body
    with pytest.raises(WireError, match="truncated"):
        decode(codes.SUSPENSION, body)


def test_unknown_combinator_counts_as_unknown() -> None:
    found = decode(codes.SUSPENSION, b"\x22\x04\x28\x63\x08\x01")
    assert found == Suspension(WireFuture(codes.COMBINATOR_UNKNOWN, [1]))


def test_a_future_differs_from_other_things() -> None:
    assert WireFuture() != 1
    assert WireFuture(completions=[1]) != WireFuture(signals=[1])


@given(futures)
def test_flat_has_every_leaf_in_the_order_of_the_tree(future: WireFuture) -> None:
    def leaves(node: WireFuture) -> list[int]:
        out = list(node.completions)
        for child in node.nested:
            out += leaves(child)
        return out

    assert future.flat().completions == leaves(future)
    assert future.flat().is_empty() == future.is_empty()
