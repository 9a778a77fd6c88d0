"""Names of services, handlers and invocations."""

import pytest

from orchestrator.door.delays import read_delay_ms, start_at_ms
from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.door.targets import (
    check_scope,
    find_handler,
    find_public_handler,
    find_run,
    idempotent_call_id,
    read_awakeable_id,
    read_invocation_id,
    run_id,
    show_target,
)
from orchestrator.model.durations import DURATION_MS_MAX
from orchestrator.model.ids import idempotent_id, workflow_id
from perdure.wire.ids import awakeable_id_to_str, invocation_id_to_str
from tests.unit.door.refused import code_of
from tests.unit.ingress.engine import registry

REGISTRY = registry()
ID = bytes(range(24))


@pytest.mark.parametrize(
    ("service", "handler", "code"),
    [
        ("Nobody", "greet", RefusalCode.UNKNOWN_SERVICE),
        ("Greeter", "nothing-here", RefusalCode.UNKNOWN_HANDLER),
        ("Greeter", "hidden", RefusalCode.PRIVATE_HANDLER),
        ("Private", "x", RefusalCode.PRIVATE_HANDLER),
    ],
)
def test_what_callers_may_not_call(service: str, handler: str, code: RefusalCode) -> None:
    assert code_of(find_public_handler, REGISTRY, service, handler) == code
    if code == RefusalCode.PRIVATE_HANDLER:  # handlers may
        assert find_handler(REGISTRY, service, handler).name == handler
    else:
        assert code_of(find_handler, REGISTRY, service, handler) == code


def test_a_refusal_says_what_to_do() -> None:
    """Names of handlers that only other handlers may call stay inside."""
    with pytest.raises(Refused, match="'Nobody' not found: register its deployment first"):
        find_handler(REGISTRY, "Nobody", "greet")
    with pytest.raises(Refused, match="'greeter' not found: did you mean 'Greeter'"):
        find_handler(REGISTRY, "greeter", "greet")
    with pytest.raises(Refused, match="'private' not found: register its"):
        find_handler(REGISTRY, "private", "x")
    with pytest.raises(Refused, match="leave them out"):
        check_scope("s")
    with pytest.raises(Refused, match=r"'no' not found in service 'Greeter': it has .*greet") as no:
        find_handler(REGISTRY, "Greeter", "no")
    assert "hidden" not in str(no.value)
    with pytest.raises(Refused, match="it has none that is public"):
        find_handler(REGISTRY, "Private", "no")
    for service, handler in (("Greeter", "hidden"), ("Private", "x")):
        with pytest.raises(Refused, match="the invoked service is not public"):  # as there
            find_public_handler(REGISTRY, service, handler)


def test_a_workflow_has_a_run() -> None:
    run = find_run(REGISTRY, "Signup")
    assert run_id(run, "u") == workflow_id("Signup", "u")
    assert code_of(find_run, REGISTRY, "Counter") == RefusalCode.BAD_TARGET
    assert code_of(find_run, REGISTRY, "Nobody") == RefusalCode.UNKNOWN_SERVICE


def test_idempotent_calls_have_an_id() -> None:
    greet = find_handler(REGISTRY, "Greeter", "greet")
    add = find_handler(REGISTRY, "Counter", "add")
    assert idempotent_call_id(greet, None, "k") == idempotent_id("Greeter", None, "greet", "k")
    assert idempotent_call_id(add, "c", "k") == idempotent_id("Counter", "c", "add", "k")
    assert code_of(idempotent_call_id, greet, "c", "k") == RefusalCode.BAD_KEY
    assert code_of(idempotent_call_id, add, None, "k") == RefusalCode.BAD_KEY
    assert code_of(idempotent_call_id, greet, None, "") == RefusalCode.BAD_IDEMPOTENCY_KEY
    run = find_run(REGISTRY, "Signup")
    assert code_of(idempotent_call_id, run, "u", "k") == RefusalCode.BAD_IDEMPOTENCY_KEY


def test_ids_as_texts() -> None:
    assert read_invocation_id(invocation_id_to_str(ID)) == ID
    assert code_of(read_invocation_id, "inv_1") == RefusalCode.BAD_TARGET
    assert read_awakeable_id(awakeable_id_to_str(ID, 17)).signal_index == 17
    assert code_of(read_awakeable_id, "sign_1") == RefusalCode.BAD_TARGET


def test_scopes_are_not_served() -> None:
    check_scope(None, None)
    assert code_of(check_scope, "s") == code_of(check_scope, None, "l") == RefusalCode.NO_SCOPES


def test_how_people_see_a_target() -> None:
    assert show_target("S", "h", "") == "S/h"
    assert show_target("O", "h", "k") == "O/k/h"


def test_delays() -> None:
    assert read_delay_ms("1500") == read_delay_ms("PT1.5S") == 1_500
    assert code_of(read_delay_ms, "1y") == RefusalCode.BAD_DELAY
    assert start_at_ms(1_000, 1_000) == start_at_ms(999, 1_000) == 0
    assert start_at_ms(1_001, 1_000) == 1_001
    assert start_at_ms(2**63, 1_000) == 1_000 + DURATION_MS_MAX
