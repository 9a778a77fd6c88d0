"""The command `perdure`: noun, then verb. `serve` is the server, `dev` a server with an app; nearly
all else asks a running one."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from orchestrator.cli import (
    dead_letters,
    deployments,
    explain,
    feeds,
    health,
    invocations,
    kafka_clusters,
    replay,
    services,
    sql,
    state,
    subscriptions,
)
from orchestrator.cli.client import (
    DEFAULT_ADMIN,
    EXIT_FAILED,
    EXIT_PARTIAL,
    EXIT_USAGE,
    Admin,
    CliError,
)
from orchestrator.cli.last_line import said_of, said_of_system
from orchestrator.cli.output import drop_output, prepare_streams
from orchestrator.cli.parsing import shared_options

_NOUNS = (
    deployments,
    services,
    invocations,
    replay,
    state,
    kafka_clusters,
    subscriptions,
    feeds,
    dead_letters,
    sql,
    health,
    explain,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 1 refused, 2 bad usage, 3 no server."""
    given = sys.argv[1:] if argv is None else list(argv)
    prepare_streams()
    if given[:1] == ["serve"]:
        # Here and not above: the server's libraries would slow down every other command.
        from orchestrator.cli import serve

        return serve.run_server(given[1:])
    if given[:1] == ["dev"]:
        from orchestrator.cli.dev.command import run_dev

        return run_dev(given[1:])
    try:
        if given[:1] == ["config"]:
            from orchestrator.cli import config

            return config.show_config(given[1:])
        return _command(given)
    except CliError as error:
        print(f"perdure: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        drop_output()  # whoever read it has seen enough
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        drop_output()
        print(f"perdure: {said_of_system(error)}", file=sys.stderr)
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 the last line: people get a code, no traceback
        print(f"perdure: {said_of(error)}", file=sys.stderr)
        return EXIT_FAILED


def _command(given: list[str]) -> int:
    for text in given:
        if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
            raise CliError(f"the argument {text!r} is not UTF-8", EXIT_USAGE)
    args = _parser().parse_args(given)
    admin = Admin(args.admin or os.environ.get("PERDURE_ADMIN") or DEFAULT_ADMIN)
    code: int = args.run(args, admin)
    sys.stdout.flush()
    return code or (EXIT_PARTIAL if admin.missing else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perdure",
        description="Durable execution on the Kafka you already run.",
        parents=[shared_options()],
    )
    parser.set_defaults(json=False, admin=None)  # of options that may come after the verb, too
    parser.add_argument(
        "--version", action="version", version=f"perdure {version('perdure-server')}"
    )
    nouns = parser.add_subparsers(metavar="command", required=True)
    nouns.add_parser("serve", help="start the server; see perdure serve --help", add_help=False)
    about = "run an app and a server while you write it; see perdure dev --help"
    nouns.add_parser("dev", help=about, add_help=False)
    nouns.add_parser("config", help="the settings serve would run with", add_help=False)
    for noun in _NOUNS:
        noun.add(nouns)
    return parser


if __name__ == "__main__":
    sys.exit(main())
