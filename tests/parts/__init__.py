"""Real parts for the tests: each module fetches one part into `.cache/parts` and starts it."""
