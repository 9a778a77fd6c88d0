"""Discovery: asks an endpoint what it serves, and checks that it answers as it should."""

import asyncio
from typing import Final

from orchestrator.exchanges.apps import Apps
from orchestrator.exchanges.asking import AnswerTooLarge, NoAnswer, ServiceAnswer, ServiceAsker
from orchestrator.exchanges.origin import BadUri, parse_origin
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.errors import BAD_MANIFEST, NO_BIDI, UNREACHABLE, RegistryError
from orchestrator.registry.manifest import ACCEPT, MEDIA_TYPES, VERSIONS, decode_manifest

PATH: Final = "/discover"
ATTEMPTS_MAX: Final = 5
_PAUSE_S: Final = 0.1  # before the second attempt; doubles
_WORTH_RETRYING: Final = frozenset((408, 429, 500, 502, 503, 504))
_SHOWN_CHARS: Final = 100


class Discovery:
    """Asks endpoints; `discover` is what registration needs."""

    def __init__(self, asker: ServiceAsker, apps: Apps | None = None) -> None:
        self._asker = asker
        self._apps = Apps() if apps is None else apps

    async def discover(self, target: DiscoveryTarget) -> Discovered:
        """Ask, again if need be; raises RegistryError."""
        pause_s, reason = _PAUSE_S, ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(pause_s)
                pause_s *= 2
            try:
                return await self._ask(target)
            except NoAnswer as error:
                reason = str(error)
        raise RegistryError(
            UNREACHABLE, f"{target.uri} was asked {ATTEMPTS_MAX} times, the last time: {reason}"
        )

    async def _ask(self, target: DiscoveryTarget) -> Discovered:
        try:
            origin = parse_origin(target.uri, target.assume_role)
        except BadUri as error:
            raise RegistryError(UNREACHABLE, str(error)) from None
        if origin.in_process:
            return self._ask_app(origin.host)
        headers = [(b"accept", ACCEPT.encode())]
        try:
            answer = await self._asker.ask(origin, target, "GET", PATH, headers)
        except AnswerTooLarge:
            raise RegistryError(BAD_MANIFEST, "the endpoint manifest is too large") from None
        found = _read(answer)
        if origin.function and found.manifest.protocol_mode == "BIDI_STREAM":
            raise RegistryError(NO_BIDI, "AWS Lambda has no bidirectional streams", status=400)
        return found

    def _ask_app(self, name: str) -> Discovered:
        app = self._apps.get(name)
        if app is None:
            raise RegistryError(UNREACHABLE, f"there is no app {name!r} in this process")
        return Discovered(decode_manifest(app.manifest(VERSIONS[0])), app.server)


def _read(answer: ServiceAnswer) -> Discovered:
    """Without a word of the body: any page may be at the address, and its text is not for whoever
    registers."""
    status = answer.status
    if status in _WORTH_RETRYING:
        raise NoAnswer(f"HTTP status {status:03}")
    if status == 404:
        raise RegistryError(UNREACHABLE, f"there is no {PATH} at this address: HTTP status 404")
    if not 200 <= status < 300:
        raise RegistryError(
            UNREACHABLE,
            f"discovery failed: GET {PATH} was answered with HTTP status {status:03}; is it the"
            " address of a service?",
        )
    content_type = answer.header(b"content-type")
    if content_type not in MEDIA_TYPES:
        raise RegistryError(
            BAD_MANIFEST,
            f"the endpoint answered with the content type {content_type[:_SHOWN_CHARS]!r};"
            f" this server reads {', '.join(MEDIA_TYPES)}",
        )
    return Discovered(
        decode_manifest(bytes(answer.body)),
        answer.header(b"x-restate-server"),
        answer.http_version,
    )
