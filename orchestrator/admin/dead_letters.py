"""Routes of dead letters: do again what failed, edited or not, or forget it. SQL lists them."""

import base64
import binascii
from typing import Annotated, Final

from msgspec import Meta, field
from msgspec.structs import replace
from starlette.responses import Response

from orchestrator.admin.errors import AdminError
from orchestrator.admin.kafka_clusters import no_facts
from orchestrator.admin.operate import ask_row, operate_letter, read
from orchestrator.admin.ports import Ports
from orchestrator.admin.redrive import Edits, RedriveRefused, redriven
from orchestrator.admin.routing import AdminRoutes, StrictBody
from orchestrator.admin.topic_answers import RedrivenLetter
from orchestrator.admin.views import JsonView
from orchestrator.brokers.asking import NoFacts, record_at, topics_of
from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.model.answers import Answer
from orchestrator.model.rows import DeadLetterRow
from orchestrator.model.topic_records import DeadLetter, DropDeadLetter, RedriveDeadLetter
from orchestrator.processor import asking
from orchestrator.registry.subscribe import read_sink
from perdure.wire.ids import invocation_id_to_str

OURS: Final = "/perdure/v1/dead-letters"
NO_LETTER: Final = "PD0631"
NOT_LIKE_THIS: Final = "PD0632"
_KEY_HEX: Final = 2 * len(keys.letter_key(0, 0))
_decode = row_decoder(DeadLetterRow)


class RedriveLetter(StrictBody):
    """What is to be different the second time; what is not given stays."""

    key: str | None = None
    sink: Annotated[str | None, Meta(description="Service/handler")] = None
    value_text: str | None = None
    value_base64: str | None = None
    without_headers: Annotated[
        list[str], Meta(description="names of headers that are left out, of a record")
    ] = field(default_factory=list)


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("dead_letter")

    @routes.post(OURS + "/{letter}/redrive", id="redrive_dead_letter", answer=RedrivenLetter)
    async def redrive(letter: str, asked: RedriveLetter) -> JsonView:
        """Invoke, or send, again; the dead letter is gone then."""
        partition, key = _place(ports, letter)
        found = await _read(ports, letter, partition, key)
        edits = _edits(asked)
        if edits.value is None:
            found = await _whole(ports, found)
        try:
            invoke = redriven(
                found,
                partition,
                ports.engine.partition_count,
                edits,
                ports.metadata.known(),
                ports.options.cluster_name,
                ports.options.payload_bytes_max,
                ports.entropy.random_bytes(16),
                ports.clock.now_ms(),
            )
        except RedriveRefused as refused:
            raise AdminError(422, str(refused), NOT_LIKE_THIS) from None
        await _check_absent(ports, invoke.id)
        record = RedriveDeadLetter(key, ports.clock.now_ms(), invoke)
        _check(letter, await operate_letter(ports, partition, record))
        return {"id": letter, "invocation_id": invocation_id_to_str(invoke.id)}

    @routes.delete(OURS + "/{letter}", status_code=202, id="drop_dead_letter")
    async def drop(letter: str) -> Response:
        """Forget a dead letter."""
        partition, key = _place(ports, letter)
        record = DropDeadLetter(key, ports.clock.now_ms())
        _check(letter, await operate_letter(ports, partition, record))
        return Response(status_code=202)

    return routes


def _edits(asked: RedriveLetter) -> Edits:
    if asked.value_text is not None and asked.value_base64 is not None:
        raise AdminError(400, "give value_text or value_base64, not both", NOT_LIKE_THIS)
    value = None if asked.value_text is None else asked.value_text.encode()
    if asked.value_base64 is not None:
        try:
            value = base64.b64decode(asked.value_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise AdminError(400, f"value_base64 is no base64: {error}", NOT_LIKE_THIS) from None
    service, handler = ("", "") if asked.sink is None else read_sink(asked.sink)
    key = None if asked.key is None else asked.key.encode()
    return Edits(key, value, service, handler, frozenset(asked.without_headers))


def _place(ports: Ports, letter: str) -> tuple[int, bytes]:
    """Partition and key of the row that an id names."""
    number, _, digits = letter.partition("-")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if not number.isdecimal() or len(number) > 5 or 2 * len(key) != _KEY_HEX:
        message = f"{letter[:200]!r} is no id of a dead letter: perdure dlq list has them"
        raise AdminError(400, message, NO_LETTER)
    if int(number) >= ports.engine.partition_count:
        raise _none(letter)
    return int(number), key


async def _whole(ports: Ports, letter: DeadLetter) -> DeadLetter:
    """The dead letter with its value: one that was too large to be kept is read from its topic
    again."""
    origin, clusters = letter.origin, ports.metadata.known().topics.clusters
    if letter.value is not None or not letter.value_bytes or origin is None:
        return letter
    source = origin.source
    if source.cluster not in clusters:
        return letter
    facts = ports.brokers.facts(clusters[source.cluster])
    try:
        topic = (await topics_of(facts, [source.topic])).topics.get(source.topic)
        if topic is None or topic.topic_id != source.topic_id:
            return letter
        found = await record_at(facts, topic, source.partition, origin.offset)
    except NoFacts as no:
        raise no_facts(source.cluster, no) from None
    return letter if found is None else replace(letter, value=found.value)


async def _check_absent(ports: Ports, invocation_id: bytes) -> None:
    """Refuse if the id of a workflow's key or of an idempotency key is known: the redrive would
    count as a repetition."""
    if await ask_row(ports, invocation_id) is not None:
        name = invocation_id_to_str(invocation_id)
        message = f"{name} is still known, and would only be repeated: purge it first"
        raise AdminError(409, message, NOT_LIKE_THIS)


def _none(letter: str) -> AdminError:
    return AdminError(404, f"there is no dead letter {letter[:200]!r}", NO_LETTER)


def _check(letter: str, answer: Answer) -> None:
    if answer is not Answer.DONE:
        raise _none(letter)


async def _read(ports: Ports, letter: str, partition: int, key: bytes) -> DeadLetter:
    stream = ports.engine.export(partition, [keys.LETTER], [key])
    found = await read(ports, asking.collect(stream))
    rows = [value for raw, value in found if raw[1:] == key]
    if not rows:
        raise _none(letter)
    return _decode(rows[0]).letter
