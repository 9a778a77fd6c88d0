"""What a server says about itself at `/metrics`."""

from tests.parts.client import http_request
from tests.parts.server import PerdureServer


def samples_of(server: PerdureServer) -> dict[str, float]:
    """Samples by name; those with labels by the whole text before the value."""
    text = http_request(server.admin, "GET", "/metrics").expect(200).text
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples
