"""An app with an engine of its own in one process: a library, and a server all the same."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.model.operating import OperatingError
from tests.parts.cache import REPOSITORY
from tests.sdk import served_app as services

ANY_PORT = {"ingress": "127.0.0.1:0", "admin": "127.0.0.1:0", "partitions": "2"}


def _get(url: str, body: bytes | None = None) -> str:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def test_it_serves_calls_and_keeps_its_data(tmp_path: Path) -> None:
    async def first() -> str:
        async with services.app.embedded(tmp_path, settings=ANY_PORT) as engine:
            assert await engine.client.call(services.greet, "ann") == "Hello ann"
            url = engine.ingress_url
            over_http = await asyncio.to_thread(_get, f"{url}/Counter/k/add", b"2")
            assert over_http == "2"
            assert await engine.client.call(services.steps, 2) == [1, 1, 1, 1]
            listed = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "orchestrator.cli.main", "deployments", "list"),
                *("--admin", engine.admin_url),
                stdout=subprocess.PIPE,
            )
            out, _ = await listed.communicate()
            assert listed.returncode == 0 and b"inproc://app" in out
            user = services.User("eve", "eve@example.org")
            handle = await engine.client.workflow(services.signup, "eve").submit(user)
            async with asyncio.timeout(30):
                while await engine.client.call(services.get_status, key="eve") is None:
                    await asyncio.sleep(0.01)
            return handle.id

    async def second(invocation_id: str) -> None:
        async with services.app.embedded(
            tmp_path, ingress=False, admin=False, settings=ANY_PORT
        ) as engine:
            assert engine.ingress_url == engine.admin_url == ""
            assert await engine.client.call(services.total, key="k") == 2
            handle = engine.client.handle(invocation_id, bool)
            async with asyncio.timeout(30):
                while "eve@example.org" not in services._mails:
                    await asyncio.sleep(0.01)
            secret = services._mails["eve@example.org"]
            await engine.client.call(services.click, secret, key="eve")
            assert await handle.result(timeout=timedelta(seconds=30)) is True

    asyncio.run(second(asyncio.run(first())))


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        quiet = {"ingress": False, "admin": False}
        async with services.app.embedded(tmp_path, **quiet):
            with pytest.raises(OperatingError, match="in use"):
                async with services.app.embedded(tmp_path, **quiet):
                    pass
        async with services.app.embedded(tmp_path, **quiet) as engine:
            assert await engine.client.call(services.greet, "bob") == "Hello bob"

    asyncio.run(main())


PROGRAM = """
from tests.sdk.served_app import app
settings = {"ingress": "127.0.0.1:0", "admin": "127.0.0.1:0", "partitions": "2"}
app.run_embedded(%r, settings=settings, ready=lambda it: print(it.ingress_url))
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_runs_until_it_is_asked_to_end(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", PROGRAM % str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert _get(f"{url}/Greeter/greet", b'"ann"') == '"Hello ann"'
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stdout.read() == "ended\n"
