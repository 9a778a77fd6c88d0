"""Routes of the public feeds: which are on, and their switches."""

from fastapi import APIRouter

from orchestrator.admin.broker_views import feeds_view
from orchestrator.admin.errors import AdminError
from orchestrator.admin.ports import Ports
from orchestrator.admin.views import JsonView
from orchestrator.registry.metadata import MetadataState
from orchestrator.registry.records import AnyMetadataRecord, FeedsSwitched
from orchestrator.registry.schema import ServiceType

OURS = "/perdure/v1/feeds"


def router(ports: Ports) -> APIRouter:
    routes = APIRouter(tags=["feed"])

    @routes.get(OURS)
    async def show() -> JsonView:
        """The feeds that are on."""
        return feeds_view(ports.metadata.known().topics)

    @routes.put(OURS + "/events")
    async def events_on() -> JsonView:
        """Publish the life of every invocation."""
        return await _switch(ports, events=True)

    @routes.delete(OURS + "/events")
    async def events_off() -> JsonView:
        """Publish no more of it."""
        return await _switch(ports, events=False)

    @routes.put(OURS + "/state/{service}")
    async def state_on(service: str) -> JsonView:
        """Publish every change of the state of a service, and first what there is."""
        _check_has_state(ports, service)
        return await _switch(ports, add=service)

    @routes.delete(OURS + "/state/{service}")
    async def state_off(service: str) -> JsonView:
        """Publish no more of it."""
        if service not in ports.metadata.known().topics.state_feeds:
            raise AdminError(404, f"the feed of the state of {service!r} is not on")
        return await _switch(ports, drop=service)

    return routes


def _check_has_state(ports: Ports, name: str) -> None:
    service = ports.metadata.known().service(name)
    if service is None:
        raise AdminError(404, f"there is no service {name!r}")
    if service.ty == ServiceType.SERVICE:
        raise AdminError(400, f"{name!r} is a plain service: it has no state to publish")


async def _switch(
    ports: Ports, events: bool | None = None, add: str = "", drop: str = ""
) -> JsonView:
    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        topics = state.topics
        wanted = topics.events_feed if events is None else events
        states = ({*topics.state_feeds} | {add}) - {drop, ""}
        if wanted == topics.events_feed and states == set(topics.state_feeds):
            return None, None
        return FeedsSwitched(state.version, wanted, tuple(sorted(states))), None

    await ports.metadata.change(decide)
    return feeds_view(ports.metadata.known().topics)
