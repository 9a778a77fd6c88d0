"""The one family of operating errors: what an operator has to know, and usually to mend."""

from orchestrator.model.codes import CODES

EXIT_CODE = 70
"""Of a process that ends itself, since it cannot go on."""


class OperatingError(Exception):
    """An error with a stable code; `perdure explain CODE` tells more.

    `message` says what is wrong, `remedy` what to do about it in this very case ("" if the page of
    the code says all there is). Rooms raise subclasses of their own, so that a caller can catch
    what it knows how to handle; the last line of a process catches the family.
    """

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        assert code in CODES, f"{code} has no line in model/codes.py"
        super().__init__(f"{code}: {message} {remedy}".rstrip())
        self.code = code
        self.message = message
        self.remedy = remedy

    @property
    def retryable(self) -> bool:
        """Whether the server tries again by itself."""
        return CODES[self.code].retryable
