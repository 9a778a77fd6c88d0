"""Seeds that have failed are kept, and run first."""

from pathlib import Path

FAILING = Path(__file__).with_name("failing_seeds.txt")


def kept() -> list[int]:
    """The seeds of the file, in its order."""
    lines = FAILING.read_text().splitlines() if FAILING.is_file() else []
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def keep(seed: int, why: str) -> None:
    """Add a seed with what it broke, once."""
    if seed not in kept():
        with FAILING.open("a") as file:
            file.write(f"{seed} {' '.join(why.split())[:200]}\n")
