"""Options: defaults, flags, variables, who wins, and what is refused."""

from pathlib import Path

import pytest

from orchestrator.config.options import GROUPS, read_options
from orchestrator.config.settings import ConfigError
from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from orchestrator.runtime.kinds import Address

# The names that scripts of other people rely on.
_NAMES = """
DATA_DIR INGRESS ADMIN LOG KAFKA_BOOTSTRAP KAFKA_OPTIONS PARTITIONS CLUSTER NODE_NAME
INACTIVITY_TIMEOUT ABORT_TIMEOUT CLEANUP_INTERVAL DISABLE_EAGER_STATE REQUEST_IDENTITY_KEY_FILE
RETRY_INITIAL_INTERVAL RETRY_MAX_ATTEMPTS RETRY_ON_MAX_ATTEMPTS PROTOCOL_MAX PAYLOAD_MAX
ADVERTISED_INGRESS REPLICATION_FACTOR LOG_LEVEL
"""
VARIABLES = _NAMES.split()
SETTINGS = [one for group in GROUPS for one in group.settings]


def test_names() -> None:
    assert {f"PERDURE_{name}" for name in VARIABLES} <= {one.variable for one in SETTINGS}
    flags = [one.flag for one in SETTINGS]
    for name in VARIABLES:
        flag = "--" + name.lower().replace("_", "-")
        assert (flag if name != "KAFKA_OPTIONS" else "--kafka-option") in flags


def test_defaults() -> None:
    options = read_options([], {})
    assert options.server.data_dir == Path(".perdure")
    assert options.server.ingress == Address("127.0.0.1", 8080)
    assert options.server.admin == Address("127.0.0.1", 9070)
    assert (options.log.kind, options.server.cluster, options.log.partitions) == (
        "embedded",
        "perdure",
        None,
    )
    assert options.server.payload_bytes_max == 32 * 1024 * 1024
    assert options.server.ingress_url == "http://127.0.0.1:8080"
    assert options.server.node
    assert options.invoker.protocol_max == 7
    assert options.processor.cleanup_s == 3600
    assert options.handlers.defaults().inactivity_timeout_ms == 60_000
    assert options.handlers.defaults().abort_timeout_ms == 600_000
    assert options.handlers.defaults().retry.max_attempts == 70
    assert options.handlers.defaults().retry.on_max_attempts == THEN_PAUSE
    assert not options.handlers.defaults().lazy_state


def test_variables() -> None:
    options = read_options(
        [],
        {
            "PERDURE_INACTIVITY_TIMEOUT": "0s",
            "PERDURE_ABORT_TIMEOUT": "PT1M",
            "PERDURE_CLEANUP_INTERVAL": "1s",
            "PERDURE_DISABLE_EAGER_STATE": "true",
            "PERDURE_RETRY_MAX_ATTEMPTS": "unlimited",
            "PERDURE_RETRY_ON_MAX_ATTEMPTS": "KILL",
            "PERDURE_LOG": "kafka",
            "PERDURE_KAFKA_BOOTSTRAP": "a:9092, b:9093",
            "PERDURE_KAFKA_OPTIONS": "a=1,b=x=y,z,c=",
            "PERDURE_PAYLOAD_MAX": "1 MiB",
            "PERDURE_NODE_NAME": "",
        },
    )
    assert options.handlers.defaults().inactivity_timeout_ms == 0
    assert options.handlers.defaults().abort_timeout_ms == 60_000
    assert options.processor.cleanup_s == 1
    assert options.handlers.defaults().lazy_state
    assert options.handlers.defaults().retry.max_attempts is None
    assert options.handlers.defaults().retry.on_max_attempts == THEN_KILL
    assert options.kafka.librdkafka == {"a": "1", "b": "x=y,z", "c": ""}
    assert options.server.payload_bytes_max == 1 << 20


def test_a_long_first_wait_is_the_longest_too() -> None:
    options = read_options([], {"PERDURE_RETRY_INITIAL_INTERVAL": "2m"})
    assert options.handlers.defaults().retry.max_interval_ms == 120_000
    assert read_options([], {}).handlers.defaults().retry.max_interval_ms == 60_000


def test_a_flag_wins() -> None:
    environ = {"PERDURE_CLUSTER": "theirs", "PERDURE_KAFKA_OPTIONS": "a=1,b=2"}
    argv = ["--cluster", "mine", "--kafka-option", "b=3", "--kafka-option", "c=4"]
    argv += ["--disable-eager-state", "--ingress=[::1]:0", "--admin", ":9071"]
    options = read_options(argv, environ)
    assert options.server.cluster == "mine"
    assert options.kafka.librdkafka == {"a": "1", "b": "3", "c": "4"}
    assert options.handlers.defaults().lazy_state
    assert options.server.ingress == Address("::1", 0)
    assert str(options.server.ingress) == "[::1]:0"
    assert options.server.admin == Address("0.0.0.0", 9071)
    assert not read_options(["--disable-eager-state=false"], {}).handlers.defaults().lazy_state


@pytest.mark.parametrize(
    ("argv", "environ", "text"),
    [
        (["--ingress", "nowhere"], {}, "--ingress='nowhere': expected HOST:PORT"),
        (["--ingress", "::1:8080"], {}, "brackets"),
        ([], {"PERDURE_INGRESS": "http://a:8080"}, "HOST:PORT, without http:// before it"),
        ([], {"PERDURE_FOO": "1"}, "no setting PERDURE_FOO. Remove it; --help lists them all"),
        (["--foo", "1"], {}, "no setting --foo. Remove it"),
        ([], {"PERDURE_ADMIN": "a:70000"}, "PERDURE_ADMIN='a:70000': expected HOST:PORT"),
        ([], {"PERDURE_LOG": "files"}, "embedded or kafka"),
        (["--log", "kafka"], {}, "--kafka-bootstrap"),
        (["--log", "kafka", "--kafka-bootstrap", "a"], {}, "HOST:PORT"),
        (["--partitions", "0"], {}, "from 1 to 1024"),
        (["--partitions", "four"], {}, "from 1 to 1024"),
        ([], {"PERDURE_CLUSTER": "a b"}, "letters"),
        ([], {"PERDURE_INACTIVITY_TIMEOUT": "10"}, "PERDURE_INACTIVITY_TIMEOUT='10': "),
        ([], {"PERDURE_DISABLE_EAGER_STATE": "yes"}, "true or false"),
        ([], {"PERDURE_PROTOCOL_MAX": "4"}, "from 5 to 7"),
        ([], {"PERDURE_PAYLOAD_MAX": "much"}, "size like"),
        ([], {"PERDURE_RETRY_MAX_ATTEMPTS": "0"}, "or unlimited"),
        ([], {"PERDURE_RETRY_ON_MAX_ATTEMPTS": "shrug"}, "pause or kill"),
        (["--retry-max-interval", "1s", "--retry-initial-interval", "2s"], {}, "shorter"),
        ([], {"PERDURE_REQUEST_IDENTITY_KEY_FILE": "/nowhere/key"}, "a file that exists"),
        ([], {"PERDURE_KAFKA_OPTIONS": "nothing"}, "k=v"),
        ([], {"PERDURE_ADVERTISED_INGRESS": "host"}, "URL"),
        ([], {"PERDURE_LOG_LEVEL": "loud"}, "debug, info, warning or error"),
        (["--cleanup-interval", "0s"], {}, "longer"),
        (["--cluster", "a", "--ingress-topic", "log/a.log"], {}, "belongs to the engine itself"),
        (["--clust", "x"], {}, "--clust"),
        (["surplus"], {}, "surplus"),
    ],
)
def test_refusals(argv: list[str], environ: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_options(argv, environ)
    assert text in str(error.value)


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"PD0002.*MAXX\. Did.*PERDURE_PAYLOAD_MAX\?"):
        read_options([], {"PERDURE_PAYLOAD_MAXX": "1MiB"})


@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP",
     "PORT_8080_TCP_ADDR", "ADMIN_SERVICE_HOST", "ADMIN_PORT", "ADMIN_PORT_9070_TCP_PROTO"],
)  # fmt: skip
def test_what_kubernetes_tells_of_services_is_no_setting(name: str) -> None:
    read_options([], {f"PERDURE_{name}": "tcp://10.0.0.1:8080"})
