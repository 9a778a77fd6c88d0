"""The machine as readable text: each record, what it is answered, asks for, and changes.

    > record
    = answer
    ! action
    + row that is new     ~ fields of a row that changed     - row that is gone

Fields that have their default are left out; positions are shown as @offset.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.machine.recover import recover
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import AnyRecord, Transfer
from orchestrator.model.rows import PartitionRow
from orchestrator.model.values import STATUS_NAMES
from tests.unit.machine.bench import Bench

ID_BYTES = 24
SHOWN_BYTES_MAX = 60
Rows = dict[tuple[str, bytes], msgspec.Struct]


class Trace:
    """Partitions that apply records and write down what happens."""

    def __init__(self, names: dict[bytes, str], partitions: int = 1) -> None:
        self.lines: list[str] = []
        self.names = names
        self.benches = [_Traced(self, number, partitions) for number in range(partitions)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def note(self, text: str) -> None:
        self.lines += ["", f"# {text}"]

    def transfer(self, source: int, target: int) -> None:
        """What the outbox of a partition holds for another arrives there."""
        outbox = self.benches[source].state.outbox
        rows = [(key, row) for key, row in outbox.scan() if key[:4] == target.to_bytes(4, "big")]
        first = int.from_bytes(rows[0][0][4:], "big")
        items = tuple(row.item for _, row in rows)
        self.benches[target].do(Transfer(source, target, first, items))

    def recovered(self, number: int = 0) -> None:
        """What a new leader owes."""
        actions: list[AnyAction] = []
        bench = self.benches[number]
        recover(bench.state, actions, bench.now_ms)
        self.lines += [f"! {self.show(action)}" for action in actions]

    def show(self, value: object, field: str = "") -> str:
        """A value as text, ids by their names."""
        match value:
            case msgspec.Struct():
                return f"{type(value).__name__}({', '.join(self._fields(value))})"
            case bytes() if len(value) == ID_BYTES:
                return self.names.get(value) or value.hex()
            case bytes():
                more = f"... {len(value)} bytes" if len(value) > SHOWN_BYTES_MAX else ""
                return repr(value[:SHOWN_BYTES_MAX]) + more
            case tuple() | list():
                return f"[{', '.join(self.show(one) for one in value)}]"
            case dict():
                pairs = sorted(value.items())
                return f"{{{', '.join(f'{self.show(k)}: {self.show(v)}' for k, v in pairs)}}}"
            case bool():
                return str(value)
            case int() if field == "status":
                return STATUS_NAMES[value]
            case int() if value >> POSITION_INDEX_BITS and not value & 0xFFFFF:
                return f"@{value >> POSITION_INDEX_BITS}"
        return str(value)

    def _fields(self, value: msgspec.Struct) -> Iterator[str]:
        for info in msgspec.structs.fields(type(value)):
            held = getattr(value, info.name)
            if held != _default(info):
                yield f"{info.name}={self.show(held, info.name)}"

    def changes(self, before: Rows, after: Rows) -> Iterator[str]:
        for table, key in sorted(before.keys() | after.keys()):
            old, new = before.get((table, key)), after.get((table, key))
            if old == new:
                continue
            name = f"{table} {self._key(key)}".rstrip()
            if new is None:
                yield f"- {name}"
            elif old is None:
                yield f"+ {name} {' '.join(self._fields(new))}"
            else:
                yield f"~ {name} {' '.join(self._differences(old, new))}"

    def _differences(self, old: msgspec.Struct, new: msgspec.Struct) -> Iterator[str]:
        for name in new.__struct_fields__:
            held = getattr(new, name)
            if getattr(old, name) != held:
                yield f"{name}={self.show(held, name)}"

    def _key(self, key: bytes) -> str:
        for identity, name in self.names.items():
            at = key.find(identity)
            if at >= 0:
                rest = [key[:at].hex(), name, key[at + ID_BYTES :].hex()]
                return " ".join(part for part in rest if part)
        if b"\0" in key[:-4] and key[:1].isalpha():
            service, object_key, rest_of = keys.parse_object_key(key)
            return f"{service}/{object_key} {rest_of.hex()}".rstrip()
        return key.hex()


class _Traced(Bench):
    """One partition of a trace."""

    def __init__(self, trace: Trace, partition: int, count: int) -> None:
        self.trace = trace
        self.seen: Rows = {}
        self.label = f"[{partition}] " if count > 1 else ""
        super().__init__(partition, count)

    def do(self, record: AnyRecord) -> Answer:
        trace = self.trace
        trace.lines += ["", f"> {self.label}{trace.show(record)}"]
        answer = super().do(record)
        trace.lines.append(f"= {answer.name}")
        trace.lines += [f"! {trace.show(action)}" for action in self.actions]
        after = self._decoded()
        trace.lines += trace.changes(self.seen, after)
        self.seen = after
        return answer

    def _decoded(self) -> Rows:
        """All rows, read back from their bytes. The applied offset is not worth a line."""
        tables = {table.prefix: table for table in self.state.tables}
        found: Rows = {}
        for key, value in self.rows():
            if key == keys.PARTITION:
                own = row_decoder(PartitionRow)(value)
                found["partition", b""] = msgspec.structs.replace(own, applied=0)
                continue
            if key[:1] == keys.LISTING:
                continue  # columns for questions: tests/unit/machine/test_listings.py
            row = tables[key[:1]]._decode(value)
            found[type(row).__name__.removesuffix("Row").lower(), key[1:]] = row
        return found


def _default(info: msgspec.structs.FieldInfo) -> object:
    if info.default is not msgspec.NODEFAULT:
        return info.default
    if info.default_factory is not msgspec.NODEFAULT:
        return info.default_factory()
    return msgspec.NODEFAULT
