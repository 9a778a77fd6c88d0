"""Routes of invocation operations, one by one and in batches."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from msgspec import Meta
from starlette.responses import Response

from orchestrator.admin import answers
from orchestrator.admin.errors import AdminError
from orchestrator.admin.invocations import (
    KEEP,
    LATEST_DEPLOYMENT,
    ExportBroken,
    Simple,
    exported,
    restart_as_new,
    resume,
    simple,
)
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, Body
from orchestrator.admin.streaming import Streamed
from orchestrator.admin.views import JsonView
from orchestrator.model.answers import Answer
from orchestrator.model.records import Cancel, Kill, Pause, Purge, PurgeJournal
from perdure.wire.errors import BadId

_log = logging.getLogger("perdure.admin")
_SIMPLE: dict[str, Simple] = {
    "cancel": Cancel,
    "kill": Kill,
    "pause": Pause,
    "purge": Purge,
    "purge-journal": PurgeJournal,
}
_TERMINATIONS: dict[str, Simple] = {"cancel": Cancel, "kill": Kill, "purge": Purge}
_AT_ONCE: Final = 256  # of a batch: each may be a record of the next turn
_RESTARTS_AT_ONCE: Final = 8  # each holds an input
_TAKE_TIME = ("cancel", "pause")
"""What an invocation comes to later is 202."""

_ABOUT = {
    "cancel": "Ask an invocation to come to an end; what has not started ends at once.",
    "kill": "End an invocation at once, and what it has started.",
    "pause": "Hold an invocation where it is until it is resumed.",
    "purge": "Forget a completed invocation; of a workflow its state and promises, too.",
    "purge-journal": "Forget the journal of a completed invocation and keep its result.",
}
DeploymentChoice = Annotated[str, Meta(description="latest, keep, or the id of a deployment")]
From = Annotated[int, Meta(description="last index of the journal to keep", extra={"name": "from"})]
TerminationMode = Annotated[str, Meta(description="cancel, kill or purge")]
Act = Callable[[str], Awaitable[object]]


class InvocationBatch(Body):
    """Up to 1000 invocations, and for resume and restart-as-new the deployment."""

    invocation_ids: list[str]
    deployment: str | None = None


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("invocation")
    for name, kind in _SIMPLE.items():
        _simple_routes(routes, ports, name, kind)

    @routes.delete(
        "/invocations/{invocation_id}", status_code=202, deprecated=True, id="delete_invocation"
    )
    async def terminate(invocation_id: str, mode: TerminationMode = "cancel") -> Response:
        """Cancel, kill or purge, in capitals or not: use the routes of those names."""
        kind = _TERMINATIONS.get(mode.lower())
        if kind is None:
            known = ", ".join(_TERMINATIONS)
            raise AdminError(400, f"query.mode: {mode[:100]!r} is none of {known}")
        await simple(ports, kind, invocation_id)
        return Response(status_code=202)

    @routes.patch("/invocations/{invocation_id}/resume", id="resume_invocation")
    async def resume_one(invocation_id: str, deployment: DeploymentChoice = KEEP) -> Response:
        """Go on now: a paused or suspended invocation, or one that waits to be tried again."""
        await resume(ports, invocation_id, deployment)
        return Response(status_code=200)

    @routes.patch(
        "/invocations/{invocation_id}/restart-as-new",
        id="restart_as_new_invocation",
        answer=answers.RestartAsNewInvocationResponse,
    )
    async def restart_one(
        invocation_id: str, upto: From = 0, deployment: DeploymentChoice = LATEST_DEPLOYMENT
    ) -> JsonView:
        """Start a completed invocation again, under a new id."""
        new_id = await restart_as_new(ports, invocation_id, upto, deployment)
        return {"new_invocation_id": new_id}

    @routes.get(
        "/perdure/v1/invocations/{invocation_id}/journal",
        id="export_invocation",
        answer=answers.InvocationDocument,
    )
    async def export(invocation_id: str) -> Response:
        """An invocation and its journal, in the form that perdure replay reads."""
        start, rest = await exported(ports, invocation_id)
        headers = {"content-type": "application/json"}
        return Streamed("an export", start, rest, headers, (ExportBroken,))

    @routes.post(
        "/internal/invocations_batch_operations/resume",
        id="batch_resume_invocations",
        answer=answers.BatchOperationResponse,
    )
    async def resume_batch(asked: InvocationBatch) -> JsonView:
        """Resume many."""

        def one(text: str) -> Awaitable[None]:
            return resume(ports, text, asked.deployment or KEEP)

        return await _batch(ports, "resume", asked, one)

    @routes.post(
        "/internal/invocations_batch_operations/restart-as-new",
        id="batch_restart_as_new_invocations",
        answer=answers.BatchRestartResponse,
    )
    async def restart_batch(asked: InvocationBatch) -> JsonView:
        """Restart many."""

        async def one(text: str) -> JsonView:
            new_id = await restart_as_new(ports, text, 0, asked.deployment or LATEST_DEPLOYMENT)
            return {"old_invocation_id": text, "new_invocation_id": new_id}

        return await _batch(ports, "restart-as-new", asked, one, _RESTARTS_AT_ONCE)

    return routes


def _simple_routes(routes: AdminRoutes, ports: Ports, name: str, kind: Simple) -> None:
    async def one(invocation_id: str) -> Response:
        answer = await simple(ports, kind, invocation_id)
        under_way = answer is Answer.ACCEPTED and name in _TAKE_TIME
        return Response(status_code=202 if under_way else 200)

    async def many(asked: InvocationBatch) -> JsonView:
        async def act(text: str) -> str:
            await simple(ports, kind, text)
            return text

        return await _batch(ports, name, asked, act)

    of_one = "purge_journal" if name == "purge-journal" else f"{name}_invocation"
    routes.add(
        "PATCH",
        f"/invocations/{{invocation_id}}/{name}",
        one,
        about=_ABOUT[name],
        id=of_one,
        also_status=202 if name in _TAKE_TIME else 0,
    )
    routes.add(
        "POST",
        f"/internal/invocations_batch_operations/{name}",
        many,
        about=f"{_ABOUT[name]} Many at a time.",
        id=f"batch_{of_one}s",
        answer=answers.BatchOperationResponse,
    )


async def _batch(
    ports: Ports, what: str, asked: InvocationBatch, act: Act, at_once: int = _AT_ONCE
) -> JsonView:
    count = len(asked.invocation_ids)
    if count > ports.options.batch_count_max:
        raise AdminError(400, f"a batch has at most {ports.options.batch_count_max} ids: {count}")
    failed: list[JsonView] = []
    turn = asyncio.Semaphore(at_once)

    async def attempt(text: str) -> object:
        try:
            async with turn:
                return await act(text) or text
        except (AdminError, BadId) as error:
            why = str(error).removeprefix(f"{text}: ")
            failed.append({"invocation_id": text, "error": why})
            return None

    done = await asyncio.gather(*(attempt(text) for text in dict.fromkeys(asked.invocation_ids)))
    succeeded = [one for one in done if one is not None]
    _log.info(
        "%s of %d invocations: %d done, %d refused", what, count, count - len(failed), len(failed)
    )
    return {"succeeded": succeeded, "failed": failed}
