"""The file layer over the operating system."""

import errno
import os
from pathlib import Path

import pytest

from orchestrator.log.files import Disk


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_nobody_from_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", full)
    disk = Disk(tmp_path)
    assert disk.lock() == ""
    assert Disk(tmp_path).lock() == "another process"
    disk.unlock()
