"""The admin API over HTTP, above the real machine and the memory log."""
