"""What a command printed, and how it ended."""

import json
from typing import Any, NamedTuple


class Printed(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)
