"""The composition root: the only room that names adapters and wires the others."""
