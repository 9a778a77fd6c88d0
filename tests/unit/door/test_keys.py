"""Keys: who needs one, who may not have one, and how long they are."""

import pytest

from orchestrator.door.keys import check_idempotency_key, check_key, check_state_key, key_of
from orchestrator.door.refusals import RefusalCode
from orchestrator.model.limits import KEY_BYTES_MAX
from tests.unit.door.refused import code_of
from tests.unit.registry.samples import built, handler_of, service

PLAIN = handler_of(built(service()))
OBJECT = handler_of(built(service(ty="VIRTUAL_OBJECT")))
RUN = handler_of(built(service(ty="WORKFLOW", handlers=[{"name": "greet", "ty": "WORKFLOW"}])))


def test_a_key_is_for_those_that_have_keys() -> None:
    assert key_of(PLAIN, None) == ""
    assert code_of(key_of, PLAIN, "k") == code_of(key_of, PLAIN, "") == RefusalCode.BAD_KEY
    for keyed in (OBJECT, RUN):
        assert key_of(keyed, "k") == "k"
        assert key_of(keyed, "") == ""
        assert code_of(key_of, keyed, None) == RefusalCode.BAD_KEY


@pytest.mark.parametrize("char", ["k", "ä", "€", "😀"])
def test_the_length_of_a_key_is_in_bytes(char: str) -> None:
    longest = char * (KEY_BYTES_MAX // len(char.encode()))
    assert check_key(longest) == longest
    assert check_idempotency_key(PLAIN, longest) == longest
    assert code_of(check_key, longest + char) == RefusalCode.BAD_KEY
    assert code_of(key_of, OBJECT, longest + char) == RefusalCode.BAD_KEY
    code = code_of(check_idempotency_key, PLAIN, longest + char)
    assert code == RefusalCode.BAD_IDEMPOTENCY_KEY
    assert check_state_key(longest.encode())
    assert code_of(check_state_key, (longest + char).encode()) == RefusalCode.BAD_KEY


def test_idempotency_keys() -> None:
    assert check_idempotency_key(PLAIN, None) is None
    assert check_idempotency_key(RUN, None) is None
    assert check_idempotency_key(OBJECT, "k") == "k"
    for handler, key in ((PLAIN, ""), (RUN, "k"), (RUN, "")):
        assert code_of(check_idempotency_key, handler, key) == RefusalCode.BAD_IDEMPOTENCY_KEY
