"""A golden file: what is made must be what it holds, to the byte.

`PERDURE_REWRITE_GOLDEN=1` writes it anew; read the difference before you keep it.
"""

import os
from pathlib import Path


def compare(file: Path, text: str) -> None:
    """Fails where `text` differs from the file."""
    if os.environ.get("PERDURE_REWRITE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text
