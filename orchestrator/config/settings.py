"""A setting is a flag and a variable; the flag wins over the variable, that over the default."""

import argparse
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from orchestrator.model.operating import OperatingError

PREFIX = "PERDURE_"
# Kubernetes tells every container of the services around it: one named `perdure` is no setting.
_KUBERNETES = re.compile(
    r"PERDURE(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


class ConfigError(OperatingError):
    """A setting that cannot be used; the message names it and says what would be right."""

    def __init__(self, message: str, code: str = "PD0001", remedy: str = "") -> None:
        super().__init__(code, message, remedy)


@dataclass(frozen=True, slots=True)
class Setting:
    """`name` is that of the option: `data_dir` is `--data-dir` and PERDURE_DATA_DIR."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    flag_name: str = ""
    repeatable: bool = False
    boolean: bool = False

    @property
    def flag(self) -> str:
        return "--" + (self.flag_name or self.name).replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def parser(command: str, settings: Sequence[Setting]) -> argparse.ArgumentParser:
    """The parser of a command's flags; every value stays text."""
    made = _Parser(prog=command, allow_abbrev=False)
    for setting in settings:
        default = "" if setting.default is None else f", default {setting.default}"
        made.add_argument(
            setting.flag,
            dest=setting.name,
            action="append",
            nargs="?" if setting.boolean else None,
            const="true" if setting.boolean else None,
            metavar="VALUE",
            help=f"{setting.help} ({setting.variable}{default})".replace("%", "%%"),
        )
    return made


def read(
    command: str, settings: Sequence[Setting], argv: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Values by name; None for what was not given and has no default."""
    _refuse_unknown(settings, environ)
    flags = vars(parser(command, settings).parse_args(list(argv)))
    return {setting.name: _value(setting, flags[setting.name], environ) for setting in settings}


def _refuse_unknown(settings: Sequence[Setting], environ: Mapping[str, str]) -> None:
    """A variable that nobody reads is a mistake that would go unnoticed."""
    known = {setting.variable for setting in settings}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not _KUBERNETES.fullmatch(name):
            near = difflib.get_close_matches(name, known, 1, 0.6)
            remedy = f"Did you mean {near[0]}?" if near else "Remove it."
            raise ConfigError(f"There is no setting {name}.", "PD0002", remedy)


def _value(setting: Setting, given: list[str] | None, environ: Mapping[str, str]) -> Any:
    variable = environ.get(setting.variable, "")
    if setting.repeatable:
        merged = dict(_parse(setting, variable, setting.variable)) if variable else {}
        for text in given or []:
            merged.update(_parse(setting, text, setting.flag))
        return merged
    if given:
        return _parse(setting, given[-1], setting.flag)
    if variable:
        return _parse(setting, variable, setting.variable)
    if setting.default is None:
        return None
    return _parse(setting, setting.default, f"the default of {setting.flag}")


def _parse(setting: Setting, text: str, source: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise ConfigError(f"{source}={text!r}: {error}") from None
