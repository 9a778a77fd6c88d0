"""Each example does what its first lines say."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import perdure
from tests.parts.cache import REPOSITORY
from tests.parts.client import fresh
from tests.parts.processes import Process, wait_until
from tests.parts.server import PerdureServer

Serve = Callable[[Path], Process]
EXAMPLES = REPOSITORY / "examples"


def typed_in(name: str, server: PerdureServer) -> list[str]:
    """The statuses of the answers to the `curl` lines at the top of an example."""
    lines = (ast.get_docstring(ast.parse((EXAMPLES / name).read_text())) or "").splitlines()
    asked = [line.strip() for line in lines if line.strip().startswith("curl ")]
    address = server.ingress.removeprefix("http://")
    found = []
    for line in asked:
        words = shlex.split(line.replace("localhost:8080", address))
        words += ["-s", "-o", "/dev/null", "-w", "%{http_code}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
        found.append(done.stdout)
    return found


def test_sign_up(serve: Serve, client: perdure.Client, server: PerdureServer) -> None:
    process, key = serve(EXAMPLES / "signup.py"), fresh()
    assert typed_in("signup.py", server) == ["202", "200", "200"]
    workflow = client.workflow("signup", key)
    workflow.submit({"name": "Ann", "email": f"{key}@example.com"})
    mail = re.compile(rf"to {key}@example.com: click here with (\S+)")
    wait_until(lambda: mail.search(process.log_tail()) is not None, 30, "the mail")

    def waits() -> bool:
        return client.call("signup/getStatus", key=key) == "Verifying user"

    wait_until(waits, 30, "it waits for the click")
    found = mail.search(process.log_tail())
    assert found is not None
    client.call("signup/click", found.group(1), key=key)
    assert workflow.attach() is True
    assert client.call("signup/getStatus", key=key) == "Link clicked"


def test_a_cart_is_bought(serve: Serve, client: perdure.Client, server: PerdureServer) -> None:
    process, key = serve(EXAMPLES / "cart.py"), fresh()
    assert typed_in("cart.py", server) == ["200", "200"]
    item = {"sku": "pen", "count": 2, "price": 150}
    assert client.call("Cart/add", item, key=key) == 2
    assert client.call("Cart/add", {**item, "sku": "ink", "count": 1}, key=key) == 3
    assert set(client.call("Cart/content", key=key)) == {"pen", "ink"}
    client.call("Cart/expire", 1, key=key)  # the timer of the first change: it comes too late
    receipt = client.call("Cart/checkout", key=key)
    assert receipt == {"payment": f"payment-{key}-450", "total": 450}
    assert process.log_tail().count(f"charged {key} 4.50") == 1
    with pytest.raises(perdure.Terminal, match="the cart is empty"):
        client.call("Cart/checkout", key=key)


def test_a_cart_expires(serve: Serve, client: perdure.Client) -> None:
    serve(EXAMPLES / "cart.py")
    key = fresh()
    client.call("Cart/add", {"sku": "pen", "count": 2, "price": 150}, key=key)
    client.call("Cart/expire", 1, key=key)
    assert client.call("Cart/content", key=key) == {}


def test_a_trip_is_booked_or_undone(
    serve: Serve, client: perdure.Client, server: PerdureServer
) -> None:
    process = serve(EXAMPLES / "saga.py")
    assert typed_in("saga.py", server) == ["200", "402"]  # the second one is too cheap
    trip = {"traveller": "ann", "to": "Rome", "budget": 500}
    booked = client.call("trips/book", trip)
    assert (booked["flight"], booked["hotel"]) == ("flight to Rome", "hotel in Rome")
    with pytest.raises(perdure.Terminal, match="the budget is 10") as refused:
        client.call("trips/book", {**trip, "to": "Oslo", "budget": 10})
    assert refused.value.code == 402
    done = re.findall(r"^\S+: (.*)$", process.log_tail(), re.M)
    assert done[-4:] == ["flight to Oslo", "hotel in Oslo", "no hotel", "no flight"]


def test_words_are_counted_at_once(
    serve: Serve, client: perdure.Client, server: PerdureServer
) -> None:
    serve(EXAMPLES / "fan_out.py")
    assert typed_in("fan_out.py", server) == ["200"]
    pages = ["to be or not to be", "that is the question", "to be"]
    counted = client.call("words/count", pages)
    assert counted["to"] == counted["be"] == 3 and counted["question"] == 1
    assert client.call("words/longest", pages) == "question"
    with pytest.raises(perdure.RequestRefused):
        client.call("words/count_page", "it is private")


def test_an_expense_is_decided(serve: Serve, client: perdure.Client, server: PerdureServer) -> None:
    process = serve(EXAMPLES / "approval.py")
    assert typed_in("approval.py", server)[:2] == ["202", "200"]
    assert client.workflow("expense", "e17").attach() == "paid"
    assert typed_in("approval.py", server) == ["202", "409", "200"]  # once more
    small, large, refused = fresh(), fresh(), fresh()
    workflow = client.workflow("expense", small)
    workflow.submit({"who": "ann", "amount": 90})
    assert workflow.attach() == "paid"
    for key in (large, refused):
        client.workflow("expense", key).submit({"who": "ann", "amount": 900})
    client.call("expense/decide", {"by": "eve", "approved": True}, key=large)
    client.call("expense/decide", {"by": "eve", "approved": False}, key=refused)
    assert client.workflow("expense", large).attach() == "paid"
    assert client.workflow("expense", refused).attach() == "refused"
    assert f"{large}: 900 to ann" in process.log_tail()
    assert f"{refused}: 900 to ann" not in process.log_tail()
    with pytest.raises(perdure.Terminal) as late:
        client.call("expense/decide", {"by": "bob", "approved": False}, key=large)
    assert late.value.code == 409


def test_an_agent_uses_a_tool(serve: Serve, client: perdure.Client, server: PerdureServer) -> None:
    process = serve(EXAMPLES / "agent.py")
    assert typed_in("agent.py", server) == ["200"]
    answer = client.call("agent/ask", "Should I take an umbrella in Oslo?")
    assert answer == "Yes: rain in Oslo."
    assert client.call("agent/ask", "And in Cairo?") == "No: sun in Cairo."
    said = process.log_tail()
    assert said.count("asking the model") == 6 and said.count("looking up the weather") == 3
