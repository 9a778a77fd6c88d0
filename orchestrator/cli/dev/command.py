"""`perdure dev app.py`: the engine in this process, the app in a child that follows its files."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from orchestrator.cli.dev.broker import KAFKA_PORT, DevBroker
from orchestrator.cli.dev.screen import Screen, show_log_on
from orchestrator.cli.dev.session import DevSession
from orchestrator.cli.exits import EXIT_FAILED, EXIT_USAGE
from orchestrator.cli.last_line import said_of
from orchestrator.cli.serve import run_on_loop
from orchestrator.config.options import GROUPS, NodeOptions, build
from orchestrator.config.settings import ConfigError, parser, settings_of
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.listening import listen
from orchestrator.runtime.kinds import Address

COMMAND: Final = "perdure dev"
SERVICE_PORT: Final = 9080
KAFKA_DATA: Final = ".perdure/kafka"  # .perdure alone is that of the log without Kafka


def run_dev(argv: Sequence[str]) -> int:
    """The exit code of the process."""
    began_s = time.monotonic()
    screen = Screen()
    try:
        given, options = _read(argv)
    except ConfigError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return EXIT_USAGE
    show_log_on(screen, options.server.log_level)
    try:
        listening = listen(Address("127.0.0.1", given["service_port"]), "service-port")
        directory = DataDirectory(options.server.data_dir)
        try:
            broker = None
            if given["kafka"]:
                broker = DevBroker(options.server.data_dir / "broker", given["kafka_port"])
            session = DevSession(
                options, directory, given["app"], listening, screen, began_s, broker
            )
            return run_on_loop(session.run())
        finally:
            directory.release()
            listening.close()
    except Exception as error:  # noqa: BLE001 the last line: people get a code, no traceback
        print(f"{COMMAND}: {said_of(error)}", file=sys.stderr)
        return EXIT_FAILED


def _read(argv: Sequence[str]) -> tuple[dict[str, Any], NodeOptions]:
    """Its own arguments, and the options of the node; raises ConfigError."""
    made = parser(COMMAND, GROUPS)
    made.add_argument("app", help="app.py, app.py:name or package.module:name")
    made.add_argument(
        "--service-port",
        type=_port,
        default=SERVICE_PORT,
        metavar="PORT",
        help=f"where the app is served, on this machine alone (default {SERVICE_PORT})",
    )
    made.add_argument(
        "--kafka",
        action="store_true",
        help="start a broker of Apache Kafka, too, and run on it; needs Java 17 or newer",
    )
    made.add_argument(
        "--kafka-port",
        type=_port,
        default=KAFKA_PORT,
        metavar="PORT",
        help=f"of that broker, on this machine alone (default {KAFKA_PORT})",
    )
    given = vars(made.parse_args(list(argv)))
    if given["kafka"]:
        given["log"] = ["kafka"]
        given["kafka_bootstrap"] = [f"127.0.0.1:{given['kafka_port']}"]
        given["data_dir"] = given["data_dir"] or [KAFKA_DATA]
    found = settings_of(GROUPS, given, os.environ)
    options = build(found)
    if found["log_level"].source == "default":
        options = replace(options, server=replace(options.server, log_level="warning"))
    _check_app(given["app"])
    return given, options


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _check_app(app: str) -> None:
    place = app.rpartition(":")[0] if ".py:" in app else app
    if place.endswith(".py") and not Path(place).is_file():
        raise ConfigError(f"There is no file {place}.")
    if Path(place).is_dir():
        raise ConfigError(f"{place} is a directory: name the file of the app, {place}/app.py.")
