"""Fetch jars, pinned and checked, from Maven Central."""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path

import requests
from maven_artifact import Artifact, Downloader  # type: ignore[import-untyped]
from maven_artifact.requestor import RequestException  # type: ignore[import-untyped]

from tests.parts.cache import PartUnavailable, fetched


def jars(name: str, pins: Path) -> Path:
    """The directory of part `name`, which holds every jar that the file `pins` lists."""

    def fetch(directory: Path) -> None:
        downloader = Downloader()
        for group, artifact, version, sha256 in _read(pins):
            target = directory / f"{artifact}-{version}.jar"
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    downloader.download(Artifact(group, artifact, version), str(target))
            except (RequestException, requests.RequestException) as error:
                raise PartUnavailable(f"{group}:{artifact}:{version}: {error}") from error
            if hashlib.sha256(target.read_bytes()).hexdigest() != sha256:
                raise PartUnavailable(f"{target.name} is not the pinned one")

    return fetched(name, hashlib.sha256(pins.read_bytes()).hexdigest(), fetch)


def _read(pins: Path) -> list[tuple[str, str, str, str]]:
    """(group, artifact, version, sha256) of each jar."""
    lines = (line.split() for line in pins.read_text().splitlines() if line[:1] not in ("", "#"))
    return [(*line[0].split(":"), line[1]) for line in lines]  # type: ignore[misc]
