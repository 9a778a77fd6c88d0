"""What the commands have in common: nouns, their verbs, and the options that every verb takes."""

from collections.abc import Callable, Iterable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.exits import ReaderGone
from orchestrator.cli.own_flags import flags_of_serve, run_with_own_flags
from orchestrator.config.variables import PROFILE_VARIABLE, URL_VARIABLE

if TYPE_CHECKING:
    from orchestrator.cli.client import Admin
    from orchestrator.cli.server_choice import Server

CommandFunction = Callable[..., int]
_WIDTH: Final = 100


class Asked:
    """How a command is to be done: on which server, and in which form it answers.

    The server is looked up when it is first needed: some commands need none.
    """

    def __init__(self) -> None:
        self.json = False
        self.admin_address = ""
        self.ingress_address = ""
        self.profile = ""

    @cached_property
    def server(self) -> "Server":
        from orchestrator.cli.server_choice import chosen_server  # help needs none of it

        return chosen_server(self.admin_address, self.ingress_address, self.profile)

    @cached_property
    def admin(self) -> "Admin":
        from orchestrator.cli.client import Admin

        return Admin(self.server.admin)

    @property
    def missing(self) -> str:
        """Partitions whose rows were not in an answer; "" if nothing was asked."""
        return self.admin.missing if "admin" in self.__dict__ else ""


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def set_it(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:  # what a verb was not given may have been given before it
            setattr(context.ensure_object(Asked), name, value)

    return set_it


def shared_options() -> list[click.Parameter]:
    """Options that may come before or after the noun and the verb."""
    return [
        _shared("--admin", "admin_address", "URL", f"address of the admin API ({URL_VARIABLE})"),
        _shared("--ingress-url", "ingress_address", "URL", "address of the ingress"),
        _shared("--profile", "profile", "NAME", f"a server by its name ({PROFILE_VARIABLE})"),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_set("json"),
            help="print JSON, for scripts",
        ),
    ]


def _shared(flag: str, name: str, metavar: str, about: str) -> click.Option:
    return click.Option(
        [flag, f"shared_{name}"],
        metavar=metavar,
        expose_value=False,
        callback=_set(name),
        help=about,
    )


def _settings() -> dict[str, Any]:
    return {"max_content_width": _WIDTH, "help_option_names": ["-h", "--help"]}


class Verb(click.Command):
    """A command that is done: its function takes what was asked first, then its own parameters."""

    def __init__(self, name: str, about: str, run: CommandFunction) -> None:
        own: list[click.Parameter] = getattr(run, "__click_params__", [])
        super().__init__(
            name,
            context_settings=_settings(),
            callback=run,
            params=[*reversed(own), *shared_options()],
            help=about,
        )

    def invoke(self, ctx: click.Context) -> Any:
        assert self.callback is not None
        try:
            return ctx.invoke(self.callback, ctx.ensure_object(Asked), **ctx.params)
        except BrokenPipeError:
            raise ReaderGone from None  # click would end the process with 1


class Noun(click.Group):
    """A noun of the command line; verbs are added to it."""

    def __init__(self, name: str, about: str) -> None:
        super().__init__(name, context_settings=_settings(), help=about, params=shared_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # as they are written, not by the alphabet

    def verb(self, name: str, about: str) -> Callable[[CommandFunction], Verb]:
        """Makes a function the verb `name`."""

        def made(run: CommandFunction) -> Verb:
            verb = Verb(name, about, run)
            self.add_command(verb)
            return verb

        return made


def single(name: str, about: str) -> Callable[[CommandFunction], Verb]:
    """Makes a function a command of one word."""
    return lambda run: Verb(name, about, run)


class _OwnFlags(click.Command):
    """A command that reads its flags itself."""

    def __init__(self, name: str, about: str) -> None:
        super().__init__(
            name,
            context_settings={"ignore_unknown_options": True},
            params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
            help=about,
            add_help_option=False,
        )

    def invoke(self, ctx: click.Context) -> Any:
        assert self.name is not None
        return run_with_own_flags(self.name, list(ctx.params["words"]))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        flags = flags_of_serve() if incomplete.startswith("-") else []
        return [CompletionItem(flag) for flag in flags if flag.startswith(incomplete)]


class Known(NamedTuple):
    """A command by its name, without its module being loaded."""

    module: str  # its `command`, or one of its `VERBS`; "" for one that reads its flags itself
    about: str


def _verbs(command: click.Command | None) -> Iterable[str]:
    return command.commands if isinstance(command, click.Group) else ()


class Root(click.Group):
    """All commands; the module of one is loaded when it is used."""

    def __init__(self, about: str, known: dict[str, Known]) -> None:
        super().__init__(
            "perdure", context_settings=_settings(), help=about, params=shared_options()
        )
        self._known = known

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = self._known.get(cmd_name)
        if known is None:
            return None
        if not known.module:
            return _OwnFlags(cmd_name, known.about)
        module = import_module(known.module)
        command: click.Command = getattr(module, "VERBS", {}).get(cmd_name) or module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._known and not ctx.resilient_parsing:
            said = self._who_has(ctx, name)
            near = [] if said else self._known
            raise click.exceptions.NoSuchCommand(name, message=said, possibilities=near, ctx=ctx)
        return super().resolve_command(ctx, args)

    def _who_has(self, ctx: click.Context, verb: str) -> str | None:
        """Whoever writes a verb alone is told whose it is, or that it is an option."""
        if verb in ("help", "version"):
            return f"No such command {verb!r}: there is 'perdure --{verb}'."
        nouns = [name for name in self._known if verb in _verbs(self.get_command(ctx, name))]
        whole = [f"'perdure {noun} {verb}'" for noun in nouns]
        return f"No such command {verb!r}: there is {', '.join(whole)}." if whole else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=one.about)
            for name, one in self._known.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.about) for name, one in self._known.items()])
