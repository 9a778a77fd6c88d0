"""The app of the contract services; SERVICES and E2E_REQUEST_SIGNING say what it serves."""

from __future__ import annotations

import os
from typing import Any

import perdure
from tests.sdk.conformance.services import awakeables, failing, proxy
from tests.sdk.conformance.services.collections import Counter, ListObject, map_object
from tests.sdk.conformance.services.commands import commands
from tests.sdk.conformance.services.divergent import divergent
from tests.sdk.conformance.services.interpreter import helper, layers

SERVICES: dict[str, Any] = {
    "AwakeableHolder": awakeables.holder,
    "BlockAndWaitWorkflow": awakeables.BlockAndWaitWorkflow,
    "CancelTestBlockingService": awakeables.blocking,
    "CancelTestRunner": awakeables.cancel_runner,
    "Counter": Counter,
    "Failing": failing.failing,
    "KillTestRunner": awakeables.kill_runner,
    "KillTestSingleton": awakeables.kill_singleton,
    "ListObject": ListObject,
    "MapObject": map_object,
    "NonDeterministic": divergent,
    "Proxy": proxy.proxy,
    "ServiceInterpreterHelper": helper,
    "TestUtilsService": proxy.utils,
    "VirtualObjectCommandInterpreter": commands,
    **{f"ObjectInterpreterL{number}": layer for number, layer in enumerate(layers)},
}
_wanted = os.environ.get("SERVICES")
_key = os.environ.get("E2E_REQUEST_SIGNING")

app = perdure.app(
    *(SERVICES[name] for name in (_wanted.split(",") if _wanted else SERVICES)),
    identity_keys=[_key] if _key else (),
)
