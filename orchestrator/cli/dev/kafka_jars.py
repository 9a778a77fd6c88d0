"""Apache Kafka's own jars: fetched once, checked by hash, kept for all projects of a user.

`kafka_jars.txt` is the run-time closure of org.apache.kafka:kafka_2.13; 44 MB.
"""

import fcntl
import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

REPOSITORY: Final = "https://repo1.maven.org/maven2"
PINS: Final = Path(__file__).with_name("kafka_jars.txt")
_AT_ONCE: Final = 8
_TIMEOUT_S: Final = 60.0
_TRIES: Final = 3


class JarsUnavailable(Exception):
    """They cannot be fetched; the text says why."""


class PinnedJar(NamedTuple):
    """A jar in the repository, and what it has to be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"


def cached_jars(say: Callable[[str], None], repository: str = REPOSITORY) -> Path:
    """The directory of all jars, fetched if this user has none yet; raises JarsUnavailable."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perdure"
    directory = root / f"kafka-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / "kafka.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another project may be fetching them
            if not directory.is_dir():
                say(f"fetching Apache Kafka from {repository}, once, into {directory}")
                _fetch_all(directory, repository)
    except (OSError, urllib.error.URLError) as error:
        raise JarsUnavailable(f"Apache Kafka's jars cannot be fetched: {error}") from None
    return directory


def _fetch_all(directory: Path, repository: str) -> None:
    """All or nothing: the directory appears by a rename."""
    building = directory.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(_fetch, jar, building, repository) for jar in _pinned()]:
            done.result()
    building.rename(directory)


def _fetch(jar: PinnedJar, directory: Path, repository: str) -> None:
    content = _read(f"{repository.rstrip('/')}/{jar.path}")
    if hashlib.sha256(content).hexdigest() != jar.sha256:
        raise JarsUnavailable(f"{jar.name} from {repository} is not the pinned one")
    (directory / jar.name).write_bytes(content)


def _read(url: str) -> bytes:
    for left in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
                content: bytes = response.read()
                return content
        except OSError as error:
            if not left or isinstance(error, urllib.error.HTTPError):
                raise
    raise AssertionError


def _pinned() -> list[PinnedJar]:
    found = []
    for line in PINS.read_text().splitlines():
        if line[:1] not in ("", "#"):
            coordinates, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            found.append(PinnedJar(group, artifact, version, sha256))
    return found
