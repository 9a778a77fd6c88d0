"""The Store port, as adapters and the processor name it; it is defined under the tables."""

from orchestrator.tables.port import Store, Writes

__all__ = ["Store", "Writes"]
