"""Syncs by the kernel, on a real file."""

import os
import select
from pathlib import Path

import pytest

from orchestrator.log.embedded.kernel_syncs import KernelSyncs, open_kernel_syncs
from orchestrator.log.files import Disk, DiskFile


@pytest.fixture
def syncs() -> KernelSyncs:
    found = open_kernel_syncs()
    assert found is not None, "Linux on x86-64 or ARM has them"
    return found


def test_a_sync_ends_and_wakes(syncs: KernelSyncs, tmp_path: Path) -> None:
    file = Disk(tmp_path).create("one")
    for number in range(20):
        file.write_at(number * 100, bytes(100))
        assert syncs.begin(file)
        syncs.wait()
        assert select.select([syncs.fd], [], [], 0)[0], "waiting takes nothing away"
        syncs.end()
        assert not select.select([syncs.fd], [], [], 0)[0]
    syncs.close()


def test_what_cannot_be_synced_is_not_begun(syncs: KernelSyncs) -> None:
    readable, writable = os.pipe()
    assert not syncs.begin(DiskFile(writable))
    os.close(readable)
    os.close(writable)
    assert not syncs.begin(DiskFile(writable))
    syncs.close()


def test_a_machine_of_another_kind_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert open_kernel_syncs() is None
