"""The command line against a real admin API."""
