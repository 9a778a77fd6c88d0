"""Workflows: run once per key, durable promises, attach and output, retention, purge."""

from __future__ import annotations

import pytest

from tests.parts.client import Client, eventually, fresh, http_request, in_background

WORKFLOW = "BlockAndWaitWorkflow"


def wait_for_state(client: Client, key: str, state: str) -> None:
    def seen() -> None:
        assert client.call((WORKFLOW, key, "getState"), "") == state

    eventually(seen)


def workflow_path(key: str, form: str, name: str = WORKFLOW) -> str:
    return f"/restate/workflow/{name}/{key}/{form}"


def test_a_durable_promise_completes_the_run(client: Client) -> None:
    key = fresh()
    reply = client.post((WORKFLOW, key, "run"), "Francesco", send=True).expect(202)
    assert reply.json()["status"] == "Accepted"
    invocation = reply.json()["invocationId"]
    wait_for_state(client, key, "Francesco")
    assert client.get(workflow_path(key, "output")).status == 470

    waiting = in_background(lambda: client.get(workflow_path(key, "attach")))
    client.call((WORKFLOW, key, "unblock"), "Till")
    assert waiting.result(30).expect(200).json() == "Till"
    assert client.get(workflow_path(key, "output")).expect(200).json() == "Till"

    again = client.post((WORKFLOW, key, "run"), "Francesco", send=True).expect(200, 202).json()
    assert again["status"] == "PreviouslyAccepted"
    assert again["invocationId"] == invocation
    assert client.output(invocation).expect(200).json() == "Till"
    # The state outlives the run, for the handlers that may still read it.
    assert client.call((WORKFLOW, key, "getState"), "") == "Francesco"


def test_a_second_call_of_the_run_is_a_conflict(client: Client) -> None:
    key = fresh()
    client.send((WORKFLOW, key, "run"), "first")
    wait_for_state(client, key, "first")
    reply = client.post((WORKFLOW, key, "run"), "second")
    assert reply.status == 409
    assert reply.headers["x-restate-error-source"] == "invocation"
    client.call((WORKFLOW, key, "unblock"), "done")
    assert client.get(workflow_path(key, "attach")).expect(200).json() == "done"


def test_the_first_call_of_the_run_answers_with_its_result(client: Client) -> None:
    key = fresh()
    waiting = in_background(lambda: client.call((WORKFLOW, key, "run"), "called"))
    wait_for_state(client, key, "called")
    client.call((WORKFLOW, key, "unblock"), "answer")
    assert waiting.result(30) == "answer"


def test_a_promise_is_completed_once(client: Client) -> None:
    key = fresh()
    client.send((WORKFLOW, key, "run"), "once")
    wait_for_state(client, key, "once")
    client.call((WORKFLOW, key, "unblock"), "first")
    assert client.get(workflow_path(key, "attach")).expect(200).json() == "first"
    second = client.post((WORKFLOW, key, "unblock"), "second")
    assert second.status == 409
    assert client.get(workflow_path(key, "output")).expect(200).json() == "first"
    rows = client.query(
        "SELECT key, completed FROM sys_promise "
        f"WHERE service_name = '{WORKFLOW}' AND service_key = '{key}'"
    )
    assert [row["completed"] for row in rows] == [True]


def test_a_promise_may_be_completed_before_the_run(client: Client) -> None:
    key = fresh()
    client.call((WORKFLOW, key, "unblock"), "early")
    assert client.call((WORKFLOW, key, "run"), "late") == "early"


def test_an_idempotency_key_is_refused_for_the_run(client: Client) -> None:
    reply = client.post((WORKFLOW, fresh(), "run"), "x", key="any")
    assert reply.status == 400
    assert reply.headers["x-restate-error-source"] == "ingress"


@pytest.mark.parametrize("form", ["attach", "output"])
def test_targets_in_a_body_name_the_same_workflow(client: Client, form: str) -> None:
    key = fresh()
    assert client.call(("Brief", key, "run"), "hello") == f"hello {key}"
    body = f'{{"target": "workflow", "workflowName": "Brief", "workflowKey": "{key}"}}'
    headers = {"content-type": "application/json"}
    reply = http_request(client.ingress, "POST", f"/restate/{form}", body.encode(), headers)
    assert reply.expect(200).json() == f"hello {key}"


def test_an_unknown_workflow_has_no_output(client: Client) -> None:
    assert client.get(workflow_path(fresh(), "output")).status == 404


def test_purge_forgets_result_and_state(client: Client) -> None:
    key = fresh()
    invocation = client.send((WORKFLOW, key, "run"), "old")
    wait_for_state(client, key, "old")
    client.operate(invocation, "purge").expect(409)
    client.call((WORKFLOW, key, "unblock"), "done")
    client.get(workflow_path(key, "attach")).expect(200)
    client.operate(invocation, "purge").expect(200)

    def gone() -> None:
        assert client.get(workflow_path(key, "output")).status == 404
        assert client.call((WORKFLOW, key, "getState"), "") is None

    eventually(gone)
    # The key is free: the same workflow runs again, with a promise of its own.
    client.send((WORKFLOW, key, "run"), "new")
    wait_for_state(client, key, "new")
    client.call((WORKFLOW, key, "unblock"), "again")
    assert client.get(workflow_path(key, "attach")).expect(200).json() == "again"


def test_after_its_retention_a_workflow_can_run_again(client: Client) -> None:
    key = fresh()
    assert client.call(("Brief", key, "run"), "one") == f"one {key}"
    assert client.post(("Brief", key, "run"), "two").status == 409

    def forgotten() -> None:
        assert client.post(("Brief", key, "run"), "three").expect(200).json() == f"three {key}"

    eventually(forgotten, 15.0)
