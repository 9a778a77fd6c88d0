"""The pages of docs/errors as they ship with the command: one for each code."""

import difflib
import re
from importlib.resources import files

from orchestrator.model.codes import CODES

# Lines of tables, for codes of the protocol: | RT0001 | meaning | what to do |
_ROW = re.compile(r"\| ((?:RT|META)\d{4}) \| (.*?) \| (.*?) \|")
_TABLES = ("attempts.md", "registration.md")
_NEAR_MAX = 10


def page(name: str) -> str:
    return (files("orchestrator.cli") / "error_pages" / name).read_text("utf-8")


def protocol_codes() -> dict[str, tuple[str, str]]:
    """Codes of the protocol: what each means, and what to do."""
    found = {}
    for name in _TABLES:
        for line in page(name).splitlines():
            row = _ROW.fullmatch(line)
            if row is not None:
                found[row[1]] = (row[2], row[3])
    return found


def titles() -> dict[str, str]:
    """One line for every code there is."""
    ours = {one.code: one.title for one in CODES.values()}
    return ours | {code: meaning for code, (meaning, _) in protocol_codes().items()}


def explanation(code: str) -> str | None:
    """What a person should read about a code; None if there is no such code."""
    if code in CODES:
        return page(f"{code}.md")
    row = protocol_codes().get(code)
    return None if row is None else f"# {code}: {row[0]}\n\n**What to do.** {row[1]}.\n"


def nearest(code: str) -> str:
    """The code that was meant, perhaps; "" if nothing is near."""
    found = difflib.get_close_matches(code, titles(), _NEAR_MAX, 0.6)
    # Of those that are as like, the one that begins alike: codes of one room are neighbours.
    return max(found, key=lambda one: _alike(one, code), default="")


def _alike(one: str, other: str) -> int:
    """How many characters they begin with together."""
    return next((n for n, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), 99)
