"""The bytes of every record, effect and row, held by files: bytes on disk live for ever.

`PERDURE_REWRITE_GOLDEN=1` writes the files anew; a change of an existing line needs a new version.
"""

from pathlib import Path

import msgspec
import pytest

from orchestrator.codec import keys
from orchestrator.codec.records import UndecodableMessage, decode_message, encode_message
from orchestrator.codec.rows import encode_row, row_decoder
from orchestrator.model import rows
from orchestrator.model.effects import AnyEffect
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.records import AnyRecord, Ended, Failed, Item, Journal, Suspended, Transfer
from orchestrator.model.topics import RecordOrigin, Source
from tests.golden.golden_file import compare
from tests.golden.samples import sample

HERE = Path(__file__).parent
RECORDS = sorted(AnyRecord.__args__, key=lambda kind: kind.__name__)
ROWS = sorted(rows.Row.__subclasses__(), key=lambda kind: kind.__name__)


def _journals() -> dict[str, Journal]:
    """A Journal for every kind of effect and every end."""
    whole = sample(Journal)
    made = {
        f"Journal.{kind.__name__}": msgspec.structs.replace(whole, effects=(sample(kind),))
        for kind in sorted(AnyEffect.__args__, key=lambda kind: kind.__name__)
    }
    for end in (Ended, Failed, Suspended):
        made[f"Journal.{end.__name__}"] = msgspec.structs.replace(whole, end=sample(end))
    made["Journal.open"] = msgspec.structs.replace(whole, end=None, pin=None)
    return made


def _compare(name: str, lines: dict[str, str]) -> None:
    compare(HERE / name, "".join(f"{key} {value}\n" for key, value in sorted(lines.items())))


def test_records() -> None:
    made = {kind.__name__: sample(kind) for kind in RECORDS} | _journals()
    whole = sample(Transfer)
    for kind in Item.__args__:
        moved = msgspec.structs.replace(whole, items=(sample(kind),))
        made[f"Transfer.{kind.__name__}"] = moved
    _compare("records.txt", {name: encode_message([r]).hex() for name, r in made.items()})
    for record in made.values():
        assert decode_message(encode_message([record, record])) == [record, record]


def test_rows() -> None:
    _compare("rows.txt", {kind.__name__: encode_row(sample(kind)).hex() for kind in ROWS})
    for kind in ROWS:
        assert row_decoder(kind)(encode_row(sample(kind))) == sample(kind)


def test_keys() -> None:
    raw = keys.object_key("Greeter", "a\0b")
    identity = bytes(range(24))
    made = {
        "object": raw,
        "inbox": keys.inbox_key(raw, 7),
        "state": keys.state_prefix(raw, 1 << 40) + b"k",
        "input": keys.input_key(identity, 1 << 40),
        "result": keys.result_key(identity, 1 << 40),
        "chunk": keys.chunk_key(identity, 1 << 40, 3),
        "timer": keys.timer_key(1_700_000_000_000, identity, 9),
        "outbox": keys.outbox_key(3, 77),
        "outbox of a minted lane": keys.outbox_key(MINTED_FIRST, 77),
        "retention": keys.retention_key(1_700_000_000_000, 12, True),
        "chore": keys.chore_key(1 << 40, 2),
        "source": keys.source_key(sample(Source)),
        "letter": keys.letter_key(1 << 40, 2),
        "listing": keys.listing_key(1_700_000_040_000, 2),
        "record that waits": keys.record_key(sample(RecordOrigin)),
    }
    _compare("keys.txt", {name: key.hex() for name, key in made.items()})
    assert keys.parse_object_key(raw + b"rest") == ("Greeter", "a\0b", b"rest")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x02" + encode_message([sample(Invoke)])[1:],
        b"\x01\xc1",
        b"\x01" + msgspec.msgpack.encode([[999, 1]]),
        b"\x01" + msgspec.msgpack.encode([[22, b"x" * 24, 5, "one field too many"]]),
    ],
    ids=["empty", "newer envelope", "not msgpack", "unknown kind", "surplus field"],
)
def test_what_is_not_known_stops_the_replica(message: bytes) -> None:
    with pytest.raises(UndecodableMessage):
        decode_message(message)


def test_no_tag_is_used_twice() -> None:
    kinds = [*RECORDS, *AnyEffect.__args__]
    records = [k.__struct_config__.tag for k in RECORDS]
    effects = [k.__struct_config__.tag for k in AnyEffect.__args__]
    assert len(set(records)) == len(records)
    assert len(set(effects)) == len(effects)
    assert all(k.__struct_config__.forbid_unknown_fields for k in kinds)
