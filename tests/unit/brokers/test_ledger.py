"""Entries of the ledger are kept on users' brokers: their bytes stay."""

import pytest

from orchestrator.brokers.ledger import (
    ForeignEntry,
    UnreadableLedger,
    ledger_key,
    ledger_value,
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


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, VALUE), (b"k", VALUE), (KEY, None), (KEY, b"\x02" + VALUE[1:]), (KEY, VALUE[:-1])],
)
def test_what_this_version_cannot_read_is_not_guessed(
    key: bytes | None, value: bytes | None
) -> None:
    with pytest.raises(UnreadableLedger):
        read_entry(b"log", key, value)
