"""How commands end: the exit codes, and the errors that become one."""

from typing import Final

EXIT_FAILED: Final = 1
"""The server refused, or it was not done; also where only some of several were done."""
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_PARTIAL: Final = 4
"""An answer without the rows of partitions that could not be read."""
EXIT_INTERRUPTED: Final = 130
_NOT_FOUND: Final = 404


class CliError(Exception):
    """A command that was not done: what to tell, and the exit code."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ReaderGone(Exception):
    """Whoever read what is printed has seen enough."""


class ServerRefused(CliError):
    """The server said no, or a handler failed; `status` is HTTP's."""

    def __init__(self, status: int, message: str, is_of_handler: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_of_handler = is_of_handler

    @property
    def is_unknown(self) -> bool:
        """Whether the server does not know what was named."""
        return self.status == _NOT_FOUND
