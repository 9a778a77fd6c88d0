"""Which web pages may call, by setting: answers to browsers, and who is refused."""

import pytest

from orchestrator.ingress.cors import ORIGINS
from orchestrator.ingress.options import IngressOptions
from tests.unit.ingress.serving import serving

PAGE = {"origin": "https://App.example", "content-type": "text/plain"}


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("*", ("*",)),
        ("none", ()),
        ("https://app.example", ("https://app.example",)),
        ("https://App.example/, http://b:3000", ("https://app.example", "http://b:3000")),
    ],
)
def test_the_setting(text: str, origins: tuple[str, ...]) -> None:
    assert ORIGINS.parse(text) == origins
    assert ORIGINS.parse(ORIGINS.show(origins)) == origins


@pytest.mark.parametrize("text", ["", "app.example", "https://a/b", "*,https://a", "https://*"])
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        ORIGINS.parse(text)


def test_every_page_may_call_unless_it_is_said() -> None:
    with serving() as served:
        for reply in (
            served.request("POST", "/Greeter/greet", b"x", PAGE),
            served.request("POST", "/nowhere", b"x", PAGE),
            served.request("OPTIONS", "/Greeter/greet", headers=PAGE),
        ):
            assert reply.headers["access-control-allow-origin"] == "*"
            assert reply.headers["access-control-expose-headers"] == "*"
            assert "vary" not in reply.headers


def test_pages_of_some_origins() -> None:
    with serving(IngressOptions(cors_origins=("https://app.example",))) as served:
        reply = served.request("POST", "/Greeter/greet", b"x", PAGE)
        assert (reply.status, reply.headers["vary"]) == (200, "origin")
        assert reply.headers["access-control-allow-origin"] == "https://App.example"
        asks = PAGE | {"access-control-request-headers": "authorization"}
        reply = served.request("OPTIONS", "/Greeter/greet", headers=asks)
        assert (reply.status, reply.headers["access-control-allow-headers"]) == (
            200,
            "authorization",
        )
        assert reply.headers["access-control-allow-origin"] == "https://App.example"
        plain = served.request("POST", "/Greeter/greet", b"x")
        assert plain.status == 200 and "access-control-allow-origin" not in plain.headers


@pytest.mark.parametrize("origins", [(), ("https://app.example",)])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_pages_of_other_origins_are_refused_before_anything_is_done(
    origins: tuple[str, ...], origin: str, method: str
) -> None:
    with serving(IngressOptions(cors_origins=origins)) as served:
        reply = served.request(method, "/Greeter/greet/send", b"x", {"origin": origin})
        assert reply.status == 403
        assert "access-control-allow-origin" not in reply.headers
        assert not served.engine.invokes
        own = {"origin": f"http://{served.address[0]}:{served.address[1]}"}
        assert served.request("POST", "/Greeter/greet", b"x", own).status == 200
