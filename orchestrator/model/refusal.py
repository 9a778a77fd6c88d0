"""The operating error of the log and of the rooms below it."""

from orchestrator.model.operating import OperatingError


class LogRefused(OperatingError):
    """Something an operator must mend before the log can be used."""
