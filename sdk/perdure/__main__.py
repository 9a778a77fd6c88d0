"""Serves an app: `python -m perdure app.py`."""

import sys

from perdure.transports.command import main

if __name__ == "__main__":
    sys.exit(main())
