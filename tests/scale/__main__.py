"""`python -m tests.scale payloads`: exits with 1 if a bar does not hold."""

import sys

from tests.scale import payloads

RUNS = {"payloads": payloads.run}

if __name__ == "__main__":
    wanted = sys.argv[1:] or sorted(RUNS)
    held = [RUNS[name]() for name in wanted]
    sys.exit(0 if all(held) else 1)
