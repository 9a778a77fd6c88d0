"""What a program prints where its output is no terminal."""

import io
import sys


def print_at_once() -> None:
    """Have each line go out when it is printed. Into a pipe or a file Python keeps 8 KiB of text
    back: whoever follows the output of a service would see nothing for hours, and lose it when the
    process is killed."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a program may have put anything in its place
        sys.stdout.reconfigure(line_buffering=True)
