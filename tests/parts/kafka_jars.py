"""Fetch Apache Kafka's own jars, pinned and checked, from Maven Central."""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path

import requests
from maven_artifact import Artifact, Downloader  # type: ignore[import-untyped]
from maven_artifact.requestor import RequestException  # type: ignore[import-untyped]

from tests.parts.cache import PartUnavailable, fetched

_PINS = Path(__file__).with_name("kafka_jars.txt")


def _pins() -> list[tuple[str, str, str, str]]:
    """(group, artifact, version, sha256) of each jar of the run-time closure."""
    lines = (line.split() for line in _PINS.read_text().splitlines() if line[:1] not in ("", "#"))
    return [(*line[0].split(":"), line[1]) for line in lines]  # type: ignore[misc]


def _fetch(directory: Path) -> None:
    downloader = Downloader()
    for group, name, version, sha256 in _pins():
        target = directory / f"{name}-{version}.jar"
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                downloader.download(Artifact(group, name, version), str(target))
        except (RequestException, requests.RequestException) as error:
            raise PartUnavailable(f"{group}:{name}:{version}: {error}") from error
        if hashlib.sha256(target.read_bytes()).hexdigest() != sha256:
            raise PartUnavailable(f"{target.name} is not the pinned one")


def kafka_jars() -> Path:
    """The directory that holds every jar of a broker."""
    version = hashlib.sha256(_PINS.read_bytes()).hexdigest()
    return fetched("kafka", version, _fetch)
