"""Agents of Pydantic AI and of the OpenAI Agents SDK, on the server, suspended wherever it may."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import perdure
from tests.examples.pages import GUIDE, read_page
from tests.parts.cache import REPOSITORY
from tests.parts.client import Client as Admin
from tests.parts.client import fresh
from tests.parts.needed import needed
from tests.parts.processes import Process, free_port, port_open
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.wheels import agents

EXAMPLES = REPOSITORY / "examples"
APP = Path(__file__).parent / "agents_app.py"
MODES = {"suspending": "0s", "normal": None}


@contextmanager
def served(file: Path, libraries: Path, directory: Path) -> Iterator[tuple[str, Process]]:
    """With the libraries at hand: where it is, and what serves it."""
    port = free_port()
    command = [sys.executable, "-m", "perdure", str(file), "--port", str(port)]
    settings = {"PYTHONPATH": str(libraries), "PYTHONUNBUFFERED": "1"}
    process = Process(file.stem, command, settings, log_dir=directory)
    process.start()
    try:
        process.wait_ready(lambda: port_open(port), 100)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.stop()
    said = process.log_tail(1_000_000)
    assert "Traceback" not in said and "swallowed" not in said, said


class World:
    """A server and its client."""

    def __init__(self, directory: Path, mode: str, running: ExitStack) -> None:
        self.server = PerdureServer(directory, ServerOptions(inactivity_timeout=MODES[mode]))
        self.server.start()
        running.callback(self.server.stop)
        self.client = perdure.Client(self.server.ingress, admin_url=self.server.admin)
        running.callback(self.client.close)

    def register(self, uri: str) -> None:
        Admin(self.server.ingress, self.server.admin).register(uri)


@pytest.fixture(scope="module")
def libraries() -> Path:
    return needed("the libraries of agents", agents)


@pytest.fixture(scope="module")
def agents_app(libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `agents_app.py` is served: its libraries take seconds to load."""
    with served(APP, libraries, tmp_path_factory.mktemp("app")) as (uri, _):
        yield uri


@pytest.fixture(scope="module", params=MODES)
def asked(
    request: pytest.FixtureRequest, agents_app: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[perdure.Client]:
    """A client of the agents."""
    with ExitStack() as running:
        world = World(tmp_path_factory.mktemp("agents"), request.param, running)
        world.register(agents_app)
        yield world.client


@pytest.mark.timeout(300)
@pytest.mark.parametrize("library", ["pydantic", "openai"])
def test_an_agent_does_everything_once(asked: perdure.Client, library: str) -> None:
    client = asked

    def ask(question: str) -> Any:
        workflow = client.workflow("Asking/ask", f"{library}-{fresh()}")
        workflow.submit(question)
        return workflow

    # Tools at once, which end in another order than they began.
    looked_up = "looked up oslo; looked up rome; looked up bonn"
    assert ask("oslo rome bonn").attach() == looked_up
    happened = client.call("effects/take")
    assert sorted(happened) == sorted([*looked_up.split("; "), "model", "model"])

    # A tool that is part of the handler waits for a person.
    waiting = ask("approve")
    client.call("Asking/approve", "go on", key=waiting.key)
    assert waiting.attach() == "go on"
    assert client.call("effects/take") == ["model", "model"]

    if library == "openai":
        assert ask("hand over").attach() == "the other one speaks"
        assert client.call("effects/take") == ["model", "model"]
    else:
        with pytest.raises(perdure.Terminal, match="UserError: this agent is set up wrongly"):
            ask("nonsense").attach()
        assert client.call("effects/take") == ["model"]


def test_the_blocks_of_the_guide_define_what_they_say(libraries: Path) -> None:
    programs = [text for _, text in read_page(GUIDE / "agents.md").texts("agents")]
    assert len(programs) == 2
    for program in programs:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(libraries)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
def test_the_examples_answer(libraries: Path, tmp_path: Path) -> None:
    with ExitStack() as running:
        world = World(tmp_path, "suspending", running)
        uri, process = running.enter_context(
            served(EXAMPLES / "agent_pydantic_ai.py", libraries, tmp_path)
        )
        world.register(uri)
        question = "Should I take an umbrella in Oslo?"
        answer = world.client.call("adviser/ask", question)
        assert answer == '{"weather":"rain","visits":1}'
        assert process.log_tail().count("looking up the weather") == 1
        uri, process = running.enter_context(
            served(EXAMPLES / "agent_openai.py", libraries, tmp_path)
        )
        world.register(uri)
        assert world.client.call("helper/ask", question) == "Yes: rain in Oslo."
        said = process.log_tail()
        assert said.count("asking the model") == 2 and said.count("looking up the weather") == 1
