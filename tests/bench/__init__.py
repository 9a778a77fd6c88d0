"""The benchmark: Perdure and a real Restate server side by side, one load generator, one table."""
