"""The words of the engine: ids, records, effects, rows, actions, answers and limits."""
