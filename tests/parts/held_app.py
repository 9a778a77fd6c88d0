"""The app that HELD_APP names, held at an older version of the service protocol: NEWEST_PROTOCOL is
the newest that it says it speaks, for servers that take the newest that both sides do."""

from __future__ import annotations

import os
from typing import Any

from perdure import discovery
from perdure.transports.loading import load_app

module: Any = discovery
module.VERSION_MAX = int(os.environ["NEWEST_PROTOCOL"])
app = load_app(os.environ["HELD_APP"])
