"""The admin API as an ASGI application. Starlette is imported in this package only."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from orchestrator.admin import (
    dead_letters,
    deployments,
    errors,
    feeds,
    invocation_routes,
    kafka_clusters,
    metrics,
    query_route,
    serdes,
    services,
    subscription_changes,
    subscriptions,
    system,
)
from orchestrator.admin.hosts import HostGuard
from orchestrator.admin.limits import BodyGuard
from orchestrator.admin.ports import AdminOptions, BrokerTroubles, Convert, Ports, Query
from orchestrator.admin.told import RequestLog
from orchestrator.admin.turns import OneARound
from orchestrator.admin.versions import Versions
from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.intake.views import LookAtSubscriptions
from orchestrator.processor.port import Engine
from orchestrator.registry.discovery import Discover
from orchestrator.registry.metadata import Metadata
from orchestrator.runtime.clock import Clock, SystemClock
from orchestrator.runtime.entropy import Entropy, SystemEntropy
from orchestrator.runtime.telemetry import Telemetry

GZIP_BYTES_MIN = 1024
GZIP_LEVEL = 1  # on the loop that serves calls: level 9 takes four times as long to save a tenth


def create_admin(
    engine: Engine,
    metadata: Metadata,
    discover: Discover,
    query: Query | None = None,
    options: AdminOptions | None = None,
    *,
    query_errors: tuple[type[Exception], ...] = (),
    convert: Convert | None = None,
    brokers: BrokerClusters,
    look_at_subscriptions: LookAtSubscriptions,
    broker_troubles: BrokerTroubles = dict,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    telemetry: Telemetry | None = None,
) -> ASGIApp:
    """The whole API: at the root and under /v2, /v3, /v4.

    `query_errors` are what `query` raises for a query it cannot answer.
    """
    ports = Ports(
        engine,
        metadata,
        discover,
        convert,
        query,
        query_errors,
        options or AdminOptions(),
        brokers,
        look_at_subscriptions,
        broker_troubles,
        clock or SystemClock(),
        entropy or SystemEntropy(),
    )
    parts = (
        system.router(ports),
        metrics.router(telemetry or Telemetry()),
        deployments.router(ports),
        services.router(ports),
        serdes.router(ports),
        invocation_routes.router(ports),
        kafka_clusters.router(ports),
        subscriptions.router(ports),
        subscription_changes.router(ports),
        feeds.router(ports),
        dead_letters.router(ports),
        query_route.router(ports),
        system.absent_router(),
    )
    routes = [route for part in parts for route in part.all]
    about = system.document_router(routes)
    app = Starlette(
        routes=[route.mounted() for route in (*routes, *about.all)],
        middleware=[
            Middleware(GZipMiddleware, minimum_size=GZIP_BYTES_MIN, compresslevel=GZIP_LEVEL)
        ],
        exception_handlers=errors.HANDLERS,
    )
    app.router.redirect_slashes = False
    guarded = HostGuard(BodyGuard(app, ports.options.body_bytes_max), ports.options.hosts)
    return RequestLog(OneARound(Versions(guarded)))
