"""When those that look now and then look: together, so that an idle event loop wakes less often."""


def until_beat_s(now_s: float, period_s: float) -> float:
    """Seconds from now to a whole multiple of the period on the same clock: half of a period at
    least, one and a half at most."""
    left_s = period_s - now_s % period_s
    return left_s if left_s >= period_s / 2 else left_s + period_s
