"""The HTTP door for callers: checked here, then a record or a read."""
