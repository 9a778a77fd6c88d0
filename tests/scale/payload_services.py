"""Services with large inputs and results, on the Restate Python SDK."""

import restate

payloads = restate.Service("Payloads")


@payloads.handler()
async def sink(ctx: restate.Context, text: str) -> int:
    return len(text)


@payloads.handler()
async def echo(ctx: restate.Context, text: str) -> str:
    return text


app = restate.app([payloads])
