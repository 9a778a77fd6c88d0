"""The files of a program that its author may edit: what it has loaded that is not installed."""

import sys
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Final

from perdure.misuse import is_own

FILES_MAX: Final = 2_000
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_OF_PYTHON: Final = ("sitecustomize", "usercustomize")  # wherever a distribution has put them
_STANDARD: Final = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))


def source_files(error: BaseException | None = None) -> list[str]:
    """Python files of the modules that are loaded, and those that an import failed in."""
    loaded = [one for name, one in list(sys.modules.items()) if name not in _OF_PYTHON]
    found = {getattr(module, "__file__", None) for module in loaded}
    while error is not None:
        if isinstance(error, SyntaxError):
            found.add(error.filename)
        found.update(_files_of(error.__traceback__))
        error = error.__cause__ or error.__context__
    files = {str(Path(file).resolve()) for file in found if isinstance(file, str)}
    return sorted(filter(_is_edited, files))[:FILES_MAX]


def _files_of(trace: TracebackType | None) -> set[str]:
    files = set()
    while trace is not None:
        files.add(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return files


def _is_edited(file: str) -> bool:
    if not file.endswith(".py") or is_own(file) or not Path(file).is_file():
        return False
    return not file.startswith(_STANDARD) and not any(part in file for part in _INSTALLED)
