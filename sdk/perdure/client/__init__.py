"""Clients of an ingress: calls, results, awakeables; one that blocks and one for asyncio."""
