"""Writes the bill of materials of a release: what deploy/constraints.txt pins, as CycloneDX 1.6.

python -m deploy.sbom > sbom.cdx.json
"""

import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: *; *([^\\]+?))? *\\?$")
_HASH = re.compile(r"^ +--hash=sha256:([0-9a-f]{64}) *\\?$")


def components() -> list[dict[str, Any]]:
    """The libraries, each with the hashes of the files that may be installed."""
    found: list[dict[str, Any]] = []
    for line in (ROOT / "deploy" / "constraints.txt").read_text().splitlines():
        if pinned := _PINNED.match(line):
            found.append(_component(pinned[1], pinned[2]))
        elif digest := _HASH.match(line):
            found[-1]["hashes"].append({"alg": "SHA-256", "content": digest[1]})
        elif line and not line.startswith("#"):
            raise ValueError(f"deploy/constraints.txt: {line!r} pins nothing by its hash")
    return found


def _component(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [],
    }
    if licence := _licence(name):
        made["licenses"] = [{"license": {"name": licence}}]
    return made


def _licence(name: str) -> str:
    """As the installed library says, if it does."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return ""
    said = about.get("License-Expression") or about.get("License") or ""
    classes = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    first = str(said).strip().partition("\n")[0]
    return first or (classes[0].rpartition(":: ")[2] if classes else "")


def document() -> dict[str, Any]:
    """The whole of it: the same files give the same document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    libraries = components()
    own = f"pkg:pypi/{name}@{version}"
    about = {"type": "application", "bom-ref": own, "name": name, "version": version, "purl": own}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": about | {"licenses": [{"license": {"id": project["license"]}}]}},
        "components": libraries,
        "dependencies": [{"ref": own, "dependsOn": [one["bom-ref"] for one in libraries]}],
    }


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2)
    sys.stdout.write("\n")
