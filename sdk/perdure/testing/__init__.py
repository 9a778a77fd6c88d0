"""Test durable code: the real engine in this process, all in memory, under a clock that skips.

async with Env(app) as env:
    handle = await env.client.workflow(signup, "ann").submit(user)
    await env.skip(timedelta(days=6))
"""

from perdure.testing.env import Env as Env
from perdure.testing.sync import SyncEnv as SyncEnv

__all__ = ["Env", "SyncEnv"]
