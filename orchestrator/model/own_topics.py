"""The topics that the engine itself makes for a cluster, and which of them users may not touch."""


def is_no_source(cluster: str, topic: str) -> bool:
    """Whether nothing may consume it: what the engine keeps its state in, on any broker cluster."""
    return topic in (f"{cluster}.log", f"{cluster}.meta", f"{cluster}.ledger")


def is_no_target(cluster: str, topic: str) -> bool:
    """Whether nothing but the engine may send to it: its state, its dead letters, its feeds."""
    return (
        is_no_source(cluster, topic)
        or topic in (f"{cluster}.dlq", f"{cluster}.events")
        or topic.startswith(f"{cluster}.state.")
    )
