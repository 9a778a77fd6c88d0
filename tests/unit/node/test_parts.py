"""What the wiring of a node depends on."""

import asyncio
from pathlib import Path

import pytest

from orchestrator.config.options import read_options
from orchestrator.exchanges.apps import Apps
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.files import share_out
from orchestrator.node.parts import assemble
from orchestrator.node.surroundings import on_disk


@pytest.mark.parametrize(("log", "trims"), [("embedded", True), ("kafka", False)])
def test_only_the_log_beside_the_checkpoints_forgets_what_they_hold(
    tmp_path: Path, log: str, trims: bool
) -> None:
    """A node that loses its disk reads all of it back from Kafka."""
    given = [f"--data-dir={tmp_path}", f"--log={log}", "--kafka-bootstrap=127.0.0.1:1"]

    async def main() -> None:
        directory = DataDirectory(tmp_path)
        options = read_options(given, {})
        around = on_disk(options, directory, 4, Apps())
        parts = assemble(options, around, 4, share_out(4_096, 4))
        assert parts.processor._seats._options.trims == trims
        assert parts.metadata._trim == trims
        await parts.log.close()
        directory.release()

    asyncio.run(main())
