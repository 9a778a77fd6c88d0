"""A sign-up that survives `kill -9` of its service, told in the terminal."""
