"""What an operator must mend before a part of the server can be used."""


class LogRefused(Exception):
    """Something an operator must mend before this log can be used."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{code}: {message} {remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy
