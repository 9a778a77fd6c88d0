"""Secrets of options: what is one, what is shown of it, and what references come to."""

import pytest

from orchestrator.kafka.broker_options import (
    BadOption,
    broker_config,
    check_bootstrap,
    check_options,
    client_options,
    merged,
)
from orchestrator.kafka.options import OWNED
from orchestrator.kafka.secrets import (
    UnresolvedReference,
    is_secret,
    resolved,
    shown_options,
    without_secrets,
)


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "sasl.username",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.jaas.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "SASL.PASSWORD",
    ],
)
def test_what_is_a_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "bootstrap.servers",
        "security.protocol",
        "sasl.mechanism",
        "ssl.ca.location",
        "ssl.key.location",
        "ssl.certificate.pem",
        "sasl.oauthbearer.token.endpoint.url",
        "compression.type",
    ],
)
def test_what_is_none(name: str) -> None:
    assert not is_secret(name)


def test_a_secret_is_never_shown() -> None:
    options = {"sasl.password": "s3cret", "client.id": "us", "ssl.key.password": "${KEY}"}
    assert shown_options(options.items()) == {
        "sasl.password": "***",
        "client.id": "us",
        "ssl.key.password": "***",
    }
    said = 'Invalid value for configuration property "x": s3cret'
    assert without_secrets(said, options) == 'Invalid value for configuration property "x": ***'


def read(path: str) -> str:
    if path == "/secret":
        return "from a file\n"
    raise FileNotFoundError(2, "No such file or directory", path)


def resolve(value: str) -> str:
    return resolved("sasl.password", value, {"PW": "from ${X} the environment"}, read)


def test_references() -> None:
    assert resolve("plain $ {text} $x") == "plain $ {text} $x"
    assert resolve("${PW}") == "from ${X} the environment"  # and nothing in it is looked up
    assert resolve("<${file:/secret}>") == "<from a file>"
    assert resolve("$${PW} ${PW}") == "${PW} from ${X} the environment"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${NONE}", "${NONE}, which is no variable"),
        ("${file:/none}", "the file /none, which the server cannot read: No such file"),
        ("${a b}", "write $${ for ${ itself"),
        ("${}", "neither a variable"),
        ("s3cret${1}", "neither a variable"),
    ],
)
def test_references_to_nothing(value: str, said: str) -> None:
    with pytest.raises(UnresolvedReference) as raised:
        resolve(value)
    assert said in str(raised.value) and str(raised.value).startswith("sasl.password refers to ")
    assert "s3cret" not in str(raised.value)


def test_options_that_are_refused() -> None:
    for options, said in (
        ({"enable.auto.commit": "true"}, "enable.auto.commit cannot be set"),
        ({"isolation.level": "read_uncommitted"}, "isolation.level cannot be set"),
        ({"transactional.id": "x"}, "no acknowledged message may be lost"),
        ({"error_cb": "x"}, "cannot be given as text"),
        ({"no name": "x"}, "not the name of an option"),
        ({"auto.offset.reset": "error"}, "is one of earliest"),
        ({"a": "\0"}, "NUL"),
        ({"a": "x" * 70_000}, "65536 characters"),
        ({str(n): "" for n in range(201)}, "200 options"),
        ({"sasl.password": "${}"}, "sasl.password refers to"),
    ):
        with pytest.raises(BadOption) as raised:
            check_options(options)
        assert said in str(raised.value)
    taken = {"client.id": "us", "group.id": "g", "auto.offset.reset": "smallest"}
    check_options(taken | {"bootstrap.servers": "b:1", "ssl.ca.location": "/ca"})


def test_what_the_engine_keeps_for_itself_it_keeps_here_too() -> None:
    given = {"bootstrap.servers", "metadata.broker.list", "client.id", "group.id"}
    for name in OWNED.keys() - given - {"auto.offset.reset"}:
        with pytest.raises(BadOption):
            check_options({name: "1"})


def test_brokers_must_be_named() -> None:
    check_bootstrap({"metadata.broker.list": "b:1"})
    with pytest.raises(BadOption):
        check_bootstrap({"bootstrap.servers": ""})


def test_stars_stand_for_what_is_known() -> None:
    known = {"sasl.password": "old", "client.id": "us"}
    given = {"sasl.password": "***", "client.id": "them"}
    assert merged(given, known) == {"sasl.password": "old", "client.id": "them"}
    with pytest.raises(BadOption):
        merged({"ssl.key.pem": "***"}, known)


def test_what_a_client_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_TEST_PW", "pw")
    given = {"bootstrap.servers": "b:1", "sasl.password": "${PERDURE_TEST_PW}", "group.id": "g"}
    config = broker_config(client_options(given.items()), "perdure")
    assert config["sasl.password"] == "pw" and "group.id" not in config
    assert config["allow.auto.create.topics"] == "false" and config["client.id"] == "perdure"
