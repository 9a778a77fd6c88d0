"""The table of what much of something needs, and whether the bars hold."""

from __future__ import annotations

from tests.scale.world import Used

SILENCE_S_MAX = 0.25
RSS_MB_MAX = 600.0
ANSWER_S_MAX = 2.0
COST_RATIO_MAX = 1.3  # of the server's CPU for each, against that at a quarter of the size
CPU_S_MIN = 0.3  # less than this at a quarter of the size is counted as this: it is mostly chance

_HEAD = (
    "| what | n | CPU us each | of n/4 | s | silence ms | own ms | RSS MB | |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def each_us(used: Used) -> float:
    return used.cpu_s / used.count * 1e6


def ratio(small: Used, large: Used) -> float:
    """What each costs at the large size, as a multiple of what it costs at the small one."""
    return each_us(large) / (max(small.cpu_s, CPU_S_MIN) / small.count * 1e6)


def misses(small: Used, large: Used, ratio_max: float = COST_RATIO_MAX) -> list[str]:
    """The bars that do not hold."""
    found = []
    if ratio(small, large) > ratio_max:
        found.append("cost")
    if large.busy_s > SILENCE_S_MAX:
        found.append("silence")
    if large.rss_mb > RSS_MB_MAX:
        found.append("RSS")
    if large.answer_s > ANSWER_S_MAX:
        found.append("answer")
    return found


def head() -> str:
    return _HEAD


def row(small: Used, large: Used) -> str:
    verdict = ", ".join(misses(small, large)) or "ok"
    if large.note:
        verdict += f" ({large.note})"
    return (
        f"| {large.name} | {large.count:,} | {each_us(large):.0f} | {ratio(small, large):.2f} "
        f"| {large.took_s:.0f} | {large.silence_s * 1000:.0f} | {large.busy_s * 1000:.0f} "
        f"| {large.rss_mb:.0f} | {verdict} |"
    )
