"""Typed tables over a byte-level store; the overlay keeps writes as objects until the spill."""
