"""A server that commands ask, and the commands."""

from collections.abc import Callable, Iterator

import pytest

from orchestrator.cli.main import main
from tests.unit.admin.world import World, world
from tests.unit.cli.printed import Printed

Perdure = Callable[..., Printed]


@pytest.fixture
def server() -> Iterator[World]:
    with world() as made:
        made.register()
        yield made


@pytest.fixture
def perdure(
    server: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Perdure:
    """Runs a command against the server."""
    monkeypatch.setenv("PERDURE_URL", server.url)

    def run(*arguments: str) -> Printed:
        capsys.readouterr()
        return Printed(main(arguments), *capsys.readouterr())

    return run
