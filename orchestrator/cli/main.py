"""The command `perdure`: noun, then verb. `serve` is the server, `dev` a server with an app; nearly
all else asks a running one."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.cli.exits import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    EXIT_USAGE,
    CliError,
    ReaderGone,
)
from orchestrator.cli.output import drop_output, prepare_streams, shown_lines
from orchestrator.cli.own_flags import OWN_FLAGS, run_with_own_flags

if TYPE_CHECKING:
    import click


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: see orchestrator.cli.exits."""
    given = sys.argv[1:] if argv is None else list(argv)
    prepare_streams()
    try:
        if given and given[0] in OWN_FLAGS:
            return run_with_own_flags(given[0], given[1:])
        return _command(given)
    except CliError as error:
        said = "\n".join(shown_lines(str(error)))  # a handler may have written it
        print(f"perdure: {said}{_more(said)}", file=sys.stderr)
        return error.exit_code
    except (BrokenPipeError, ReaderGone):
        drop_output()  # whoever read it has seen enough
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:
        from orchestrator.cli.last_line import said_of_system

        drop_output()
        print(f"perdure: {said_of_system(error)}", file=sys.stderr)
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 the last line: people get a code, no traceback
        from orchestrator.cli.last_line import said_of

        print(f"perdure: {said_of(error)}", file=sys.stderr)
        return EXIT_FAILED


def _command(given: list[str]) -> int:
    for text in given:
        if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
            raise CliError(f"the argument {text!r} is not UTF-8", EXIT_USAGE)
    import click

    from orchestrator.cli.commands import Asked
    from orchestrator.cli.known import root

    asked = Asked()
    try:
        code: Any = root().main(given, prog_name="perdure", standalone_mode=False, obj=asked)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return EXIT_USAGE
    except click.UsageError as error:
        raise CliError(_usage(error), EXIT_USAGE) from None
    except click.Abort:
        return EXIT_INTERRUPTED
    sys.stdout.flush()
    return code or (EXIT_PARTIAL if asked.missing else 0)


def _more(said: str) -> str:
    """Where the page of the code is that an error ends with."""
    code = said[said.rfind("[") + 1 :].removesuffix("]")
    is_code = said.endswith("]") and code.isalnum() and code[-4:].isdecimal()
    return f"\nperdure explain {code} says what to do" if is_code else ""


def _usage(error: "click.UsageError") -> str:
    """What is wrong, and where to read how it is right."""
    import click

    said = error.format_message().replace(":\n\t", ": ").replace(",\n\t", ", ")  # of choices
    if isinstance(error, click.NoSuchOption) and error.option_name[1:].isdecimal():
        said += " A negative number is written behind --: -- -5"
    return said if error.ctx is None else f"{said}\nTry '{error.ctx.command_path} --help'."


if __name__ == "__main__":
    sys.exit(main())
