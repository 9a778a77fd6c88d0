"""Runs that show what the server needs when there is much of something."""
