"""Directories whose names survive a power loss."""

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make durable which names are in it. Raises OSError."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
