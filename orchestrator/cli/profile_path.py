"""Where the file of profiles is: in $XDG_CONFIG_HOME/perdure, else in ~/.config/perdure."""

import os
from pathlib import Path


def profile_path() -> Path:
    """Of the file, which need not be there."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "perdure" / "profiles.json"
