"""Entries of the ledger are kept on users' brokers: their bytes stay."""

import pytest

from orchestrator.brokers.ledger import (
    ForeignEntry,
    UnreadableLedger,
    ledger_key,
    ledger_value,
    note_entry,
    read_entry,
)

KEY = bytes.fromhex("0000000000010000")
VALUE = b"\x01\x92\xc4\x03log\x07"


def test_the_bytes_of_an_entry_never_change() -> None:
    assert (ledger_key(1 << 16), ledger_value(b"log", 7)) == (KEY, VALUE)
    assert read_entry(b"log", KEY, VALUE) == (1 << 16, 7)


def test_an_entry_of_another_log_is_foreign() -> None:
    with pytest.raises(ForeignEntry):
        read_entry(b"other", KEY, VALUE)


def test_an_entry_of_a_log_that_was_taken_over_says_nothing() -> None:
    last = {1 << 16: 2}
    note_entry(b"other", (b"log",), KEY, VALUE, last)
    assert last == {1 << 16: 2}
    with pytest.raises(ForeignEntry):
        note_entry(b"other", (b"gone",), KEY, VALUE, last)


def test_of_a_lane_the_highest_number_counts() -> None:
    last: dict[int, int] = {}
    for number in (3, 7, 5):
        note_entry(b"log", (), KEY, ledger_value(b"log", number), last)
    assert last == {1 << 16: 7}


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, VALUE), (b"k", VALUE), (KEY, None), (KEY, b"\x02" + VALUE[1:]), (KEY, VALUE[:-1])],
)
def test_what_this_version_cannot_read_is_not_guessed(
    key: bytes | None, value: bytes | None
) -> None:
    with pytest.raises(UnreadableLedger):
        read_entry(b"log", key, value)
