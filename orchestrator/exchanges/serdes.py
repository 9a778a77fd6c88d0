"""Values as services encode them, shown as JSON and back: services do it, since only they can."""

from typing import Final, Literal
from urllib.parse import quote

from orchestrator.exchanges.asking import AnswerTooLarge, NoAnswer, ServiceAsker
from orchestrator.exchanges.origin import BadUri, parse_origin
from orchestrator.registry.discovery import Converted, DiscoveryTarget
from orchestrator.registry.errors import UNREACHABLE, RegistryError
from orchestrator.registry.schema import Deployment

_TYPES: Final = {"decode": "application/octet-stream", "encode": "application/json"}


class Serdes:
    """Asks deployments."""

    def __init__(self, asker: ServiceAsker) -> None:
        self._asker = asker

    async def convert(
        self,
        deployment: Deployment,
        service: str,
        operation: Literal["encode", "decode"],
        name: str,
        body: bytes,
    ) -> Converted:
        """What a deployment answers; RegistryError if it does not, or is an app of this process."""
        stored = deployment.stored
        target = DiscoveryTarget(
            stored.uri, stored.http1, stored.additional_headers, stored.assume_role
        )
        path = f"/serdes/{quote(service)}/{operation}/{quote(name)}"
        headers = [(b"content-type", _TYPES[operation].encode())]
        try:
            origin = parse_origin(target.uri, target.assume_role)
            if origin.in_process:
                return Converted(404, "text/plain", b"an app of this process shows no values")
            answer = await self._asker.ask(origin, target, "POST", path, headers, body)
        except (BadUri, NoAnswer) as error:
            raise RegistryError(UNREACHABLE, f"{deployment.id}: {error}") from None
        except AnswerTooLarge:
            raise RegistryError(UNREACHABLE, f"{deployment.id}: the answer is too large") from None
        return Converted(answer.status, answer.header(b"content-type"), bytes(answer.body))
