"""The words of the engine: ids, records, effects, rows, actions, answers, limits. Pure values only."""
