"""Operations on dead letters go to the partition that is named, whatever they contain."""

from orchestrator.codec import keys
from orchestrator.codec.keys import letter_key
from orchestrator.model.answers import Answer
from orchestrator.model.records import DropDeadLetter
from orchestrator.model.rows import DeadLetterRow
from orchestrator.model.topic_records import DeadLetter
from orchestrator.model.topics import DEAD_RECORD, NO_KEY
from orchestrator.processor import asking
from orchestrator.processor.port import Unavailable
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import World


def test_a_letter_is_dropped_in_its_partition() -> None:
    async def story() -> None:
        process = await World(3).led()
        engine, key = process.processor.engine, letter_key(5, 0)
        now_ms = process.clock.now_ms()
        for number in (0, 2):
            seat = process.processor._seats.get(number)
            assert seat is not None and seat.partition is not None
            letter = DeadLetter(DEAD_RECORD, NO_KEY, "no key", now_ms)
            seat.partition.state.letters.add(key, DeadLetterRow(letter))
        answers: list[Answer | Unavailable] = []
        for _ in range(2):
            engine.operate_letter(2, DropDeadLetter(key, now_ms), answers.append)
        await process.until(lambda: len(answers) == 2)
        assert answers == [Answer.DONE, Answer.NOT_FOUND]
        found = await asking.collect(engine.export(0, [keys.LETTER], [key]))
        assert isinstance(found, list) and len(found) == 1
        await process.processor.close()

    run(story())
