"""Parts of documents that are made from tables of the code.

`PERDURE_REWRITE_GOLDEN=1` writes them anew, between the two comments that name the part.
"""

import os
from pathlib import Path


def check(file: Path, expected: str, part: str) -> None:
    """What stands in `file` between its markers of `part` is `expected`."""
    before, begin, rest = file.read_text().partition(f"<!-- {part}: made from the code -->\n")
    found, end, after = rest.partition(f"<!-- end of {part} -->\n")
    assert begin and end, f"{file} has no markers of {part}"
    if os.environ.get("PERDURE_REWRITE_GOLDEN"):
        file.write_text(before + begin + expected + end + after)
        return
    assert found == expected, f"{file} is stale: run this test with PERDURE_REWRITE_GOLDEN=1"
