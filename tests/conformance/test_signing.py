"""Signed requests: services that hold the public key take them, others are not fooled.

In the combinations named `signed` every service checks every request, so the whole suite rests
on good signatures; here it is shown that a bad one would not pass.
"""

from __future__ import annotations

import pytest

from tests.conformance.world import OTHER_SIGNING_KEY, SIGNING_KEY, World
from tests.parts.client import http_request

pytestmark = pytest.mark.needs("faces")


def test_a_service_with_another_key_cannot_be_registered(world: World) -> None:
    laboratory = world.laboratory.another("stranger", "Typed", OTHER_SIGNING_KEY).start()
    try:
        reply = world.client.admin_request("POST", "/deployments", {"uri": laboratory.uri})
        assert reply.status >= 400, reply.text
        assert "401" in reply.text
    finally:
        laboratory.stop()


@pytest.mark.needs("signed")
def test_a_service_with_the_key_refuses_whoever_does_not_sign(world: World) -> None:
    headers = {"accept": "application/vnd.restate.endpointmanifest.v3+json"}
    with_key = world.laboratory.another("probe", "Typed", SIGNING_KEY)
    # The laboratory speaks HTTP/1.1 too, so a plain client can knock.
    with_key.start()
    try:
        assert http_request(with_key.uri, "GET", "/discover", headers=headers).status == 401
    finally:
        with_key.stop()
