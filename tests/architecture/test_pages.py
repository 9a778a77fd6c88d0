"""What ARCHITECTURE names is there: a newcomer follows its paths."""

import re

from tests.architecture.sources import ROOT

# Named in general, or made by a running server.
ELSEWHERE = {"options.py", "metadata/", "stores/<n>/"}


def test_every_path_in_architecture_exists() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    named = {word for word in re.findall(r"`([^`\n]+)`", page) if "/" in word or ".py" in word}
    assert len(named) > 40
    missing = {path for path in named - ELSEWHERE if not _exists(path)}
    assert not missing, "no such file in the repository, in orchestrator/ or in sdk/"


def _exists(path: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
    roots = (ROOT, ROOT / "orchestrator", ROOT / "sdk")
    return any(any(root.glob(pattern + end)) for root in roots for end in ("", ".py"))
