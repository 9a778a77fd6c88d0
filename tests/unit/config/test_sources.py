"""Where settings come from: the file, unknown names, secrets, help and `perdure config`."""

import json
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.config.options import COMMAND, GROUPS, read_options
from orchestrator.config.settings import ConfigError, parser


def written(directory: Path, text: str) -> str:
    file = directory / "perdure.toml"
    file.write_text(text)
    return str(file)


def test_the_file_is_below_variables_and_flags(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'cluster = "file"\ndata_dir = "of/file"\npartitions = 7\ndisable_eager_state = true\n'
        'cleanup_interval = "5s"\n[kafka_options]\na = 1\nb = "x"\nc = false\n',
    )
    environ = {"PERDURE_CONFIG": file, "PERDURE_DATA_DIR": "of/variable", "PERDURE_CLUSTER": "v"}
    argv = ["--cluster", "flag", "--kafka-option", "b=y"]
    options = read_options(argv, environ)
    assert options.server.cluster == "flag"
    assert options.server.data_dir == Path("of/variable")
    assert options.log.partitions == 7
    assert options.handlers.disable_eager_state
    assert options.processor.cleanup_s == 5
    assert options.kafka.librdkafka == {"a": "1", "b": "y", "c": "false"}


def test_the_flag_names_the_file_before_the_variable(tmp_path: Path) -> None:
    file = written(tmp_path, 'cluster = "mine"\n')
    options = read_options(["--config", file], {"PERDURE_CONFIG": "/nowhere"})
    assert options.server.cluster == "mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('clustr = "x"\n', "PD0002: There is no setting clustr in .*Did you mean cluster\\?"),
        ("partitions = 0\n", "partitions in .*perdure.toml='0': expected a whole number from 1"),
        ("cluster = 2020-01-01\n", "cannot be a date"),
        ("cluster = \n", "PD0001: The configuration file .*perdure.toml cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_options(["--config", written(tmp_path, content)], {})


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="/nowhere cannot be read"):
        read_options(["--config", "/nowhere"], {})


def test_an_unknown_flag_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"PD0002.*--data-dirr\. Did you mean --data-dir\?"):
        read_options(["--data-dirr", "x"], {})


def test_help_is_grouped_by_room_and_names_every_variable() -> None:
    text = " ".join(parser(COMMAND, GROUPS).format_help().split())
    assert "The server:" in text and "Requests to services:" in text
    for group in GROUPS:
        for one in group.settings:
            assert one.flag in text and one.variable in text


def test_secrets_are_never_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(
        "PERDURE_KAFKA_OPTIONS",
        "sasl.username=ann,sasl.password=hush,ssl.key.pem=hush,ssl.key.password=hush,"
        "sasl.oauthbearer.client.secret=hush,sasl.oauthbearer.config=hush",
    )
    assert main(["config"]) == 0
    shown = capsys.readouterr().out
    assert "sasl.username=ann" in shown and "sasl.password=***" in shown
    assert "hush" not in shown
    assert main(["config", "--kafka-option", "hush"]) == 2
    assert "hush" not in capsys.readouterr().err


def test_the_command_shows_values_and_who_gave_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PERDURE_CLUSTER", "mine")
    file = written(tmp_path, 'payload_max = "1MiB"\n')
    assert main(["config", "--config", file, "--retry-max-attempts", "unlimited", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["cluster"] == {"value": "mine", "source": "PERDURE_CLUSTER"}
    assert shown["payload_max"] == {"value": "1MiB", "source": file}
    assert shown["retry_max_attempts"] == {"value": "unlimited", "source": "--retry-max-attempts"}
    assert shown["data_dir"] == {"value": ".perdure", "source": "default"}
    assert main(["config", "--partitions", "0"]) == 2
    assert "PD0001" in capsys.readouterr().err
