"""Long journals: passed on piece by piece as JSON, and not read where the input is enough."""

import base64
import json
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

import pytest

from orchestrator.admin.journal_export import (
    DOCUMENT_END,
    SHOWN_BYTES_MAX,
    document_pieces,
    document_start,
    journal_document,
)
from orchestrator.processor import reads
from orchestrator.processor.port import JournalEntry
from orchestrator.processor.streams import Gone
from perdure import wire
from perdure.wire import messages
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import World, world
from tests.unit.machine.bench import uid

A = uid(1)
PATH = f"/perdure/v1/invocations/{invocation_id_to_str(A)}/journal"
LARGE = b'"' + b"x" * SHOWN_BYTES_MAX + b'"'
COUNT = 5_000  # more than a chunk of the engine's stream has


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.bench.invoke(A)
        steps = [messages.encode(wire.RunCommand(number, name="a")) for number in range(COUNT)]
        made.bench.flush(A, frames=b"".join(steps))
        made.bench.flush(A, frames=messages.encode(wire.SetStateCommand(b"large", LARGE)))
        yield made


def entries_of(it: World) -> list[JournalEntry]:
    row = it.bench.live(A)
    assert row is not None
    return list(reads.journal_of(it.bench.state, A, row.incarnation))


def test_a_long_journal_comes_whole(it: World) -> None:
    row, entries = it.bench.live(A), entries_of(it)
    assert row is not None and len(entries) == 1 + COUNT + 1
    answered = it.ask("GET", PATH)
    assert answered.status == 200 and answered.headers["content-type"] == "application/json"
    assert "content-length" not in answered.headers  # it was never whole in memory
    found = answered.json
    assert found == journal_document(row, entries)
    assert [one["index"] for one in found["entries"]] == list(range(len(entries)))
    large = found["entries"][-1]
    assert large["shown"] is None and LARGE in base64.b64decode(large["payload"])
    assert found["entries"][1]["shown"] is not None


@pytest.mark.parametrize("chunk", [1, 7, 50, 51, 6_000])
def test_pieces_are_bounded_however_the_journal_comes(it: World, chunk: int) -> None:
    row, entries = it.bench.live(A), entries_of(it)[:120] + entries_of(it)[-1:]
    assert row is not None
    pieces = [document_start(row)]
    for first in range(0, len(entries), chunk):
        pieces += document_pieces(first, entries[first : first + chunk])
    assert max(piece.count(b'"index"') for piece in pieces) <= 50
    assert json.loads(b"".join([*pieces, DOCUMENT_END])) == journal_document(row, entries)


def test_a_journal_that_goes_meanwhile_gives_no_whole_document(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = entries_of(it)

    def some(*_: object) -> Iterator[JournalEntry]:
        yield from whole[:3_000]
        raise Gone("the journal was purged while it was read")

    monkeypatch.setattr(reads, "journal_of", some)
    with pytest.raises(HTTPException):  # it has no end
        it.ask("GET", PATH)


def test_a_batch_that_restarts_reads_a_few_inputs_at_a_time(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.register()
    it.bench.finish(A)
    ids = [uid(number) for number in range(1, 40)]
    for identity in ids[1:]:
        it.bench.invoke(identity)
        it.bench.finish(identity)
    whole = reads.journal_of
    open_now: set[bytes] = set()
    most = read = 0

    def counted(state: Any, identity: bytes, incarnation: int) -> Iterator[JournalEntry]:
        nonlocal most, read
        open_now.add(identity)
        most = max(most, len(open_now))
        try:
            for entry in whole(state, identity, incarnation):
                read += 1
                yield entry
        finally:
            open_now.discard(identity)

    monkeypatch.setattr(reads, "journal_of", counted)
    asked = {"invocation_ids": [invocation_id_to_str(identity) for identity in ids]}
    answered = it.ask("POST", "/internal/invocations_batch_operations/restart-as-new", asked)
    assert answered.status == 200 and len(answered.json["succeeded"]) == len(ids)
    assert most <= 8 and read < COUNT
