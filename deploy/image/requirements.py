"""Prints what the server needs from others, as `pyproject.toml` says it."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
needed = project["dependencies"] + extras["sql"] + extras["lambda"]
print("\n".join(line for line in needed if not line.startswith("perdure")))
