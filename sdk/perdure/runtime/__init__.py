"""Runs handlers: one attempt of one invocation, over any transport."""

from perdure.runtime.attempt import Attempt

__all__ = ["Attempt"]
