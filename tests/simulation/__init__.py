"""Deterministic simulation: one seed, one virtual clock, injected faults, an oracle of dicts."""
