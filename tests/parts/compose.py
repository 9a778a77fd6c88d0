"""The compositions of the repository, read, and checked against the specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import yaml

from tests.parts.cache import REPOSITORY
from tests.parts.wheels import Asked, compose_spec

KAFKA = REPOSITORY / "docker-compose.yml"
EMBEDDED = REPOSITORY / "deploy" / "compose.embedded.yml"

_CHECK = """
import json, sys
import compose_spec
try:
    compose_spec.PyCompose.from_yaml(json.load(sys.stdin))
    print('""')
except ValueError as error:
    print(json.dumps(str(error)))
"""


def composition(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


class ComposeSpec:
    """The Compose specification, as a parser that refuses what it does not know."""

    def __init__(self) -> None:
        self._check = Asked(_CHECK, compose_spec())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._check.close()

    def wrong(self, text: str) -> str:
        said: str = self._check.ask(text)
        return said
