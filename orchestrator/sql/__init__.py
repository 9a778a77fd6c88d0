"""SQL over the engine's rows: DataFusion in a child process that the server feeds."""
