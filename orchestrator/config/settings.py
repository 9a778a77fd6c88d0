"""Finds the value of every setting: a flag wins over the variable, that over the file."""

import argparse
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from orchestrator.config.variables import FILE_VARIABLE, PROFILE_VARIABLE, URL_VARIABLE
from orchestrator.model.operating import OperatingError
from orchestrator.runtime.kinds import HIDDEN
from orchestrator.runtime.settings import Declared, declared

PREFIX: Final = "PERDURE_"
FILE_FLAG: Final = "--config"
# Kubernetes tells every container of the services around it: one named `perdure` is no setting.
_KUBERNETES: Final = re.compile(
    r"PERDURE(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


class ConfigError(OperatingError):
    """A setting that cannot be used; the message names it and says what would be right."""

    def __init__(self, message: str, code: str = "PD0001", remedy: str = "") -> None:
        super().__init__(code, message, remedy)


class Group(NamedTuple):
    """The options of a room; `name` is their field in `Options`, `title` a heading for people."""

    name: str
    title: str
    options: type[msgspec.Struct]

    @property
    def settings(self) -> list[Declared]:
        return declared(self.options)


class FoundSetting(NamedTuple):
    """The value of a setting, and who gave it."""

    value: Any
    source: str  # "default", a flag, a variable or a file


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if unknown is None:
            raise ConfigError(f"{message}.")
        known = [flag for action in self._actions for flag in action.option_strings]
        raise _unknown(unknown[1], known)


def _unknown(name: str, known: Iterable[str], at: str = "") -> ConfigError:
    by_word = {_word(one): one for one in known}  # what all have in common is no likeness
    near = difflib.get_close_matches(_word(name), by_word, 1, 0.6)
    remedy = f"Did you mean {by_word[near[0]]}?" if near else "Remove it; --help lists them all."
    return ConfigError(f"There is no setting {name}{at}.", "PD0002", remedy)


def _word(name: str) -> str:
    return name.removeprefix(PREFIX).removeprefix("--")


def parser(command: str, groups: Sequence[Group]) -> argparse.ArgumentParser:
    """The parser of a command's flags, by room; every value stays text."""
    made = _Parser(prog=command, allow_abbrev=False)
    made.add_argument(
        FILE_FLAG, metavar="FILE", help=f"a TOML file with settings ({FILE_VARIABLE})"
    )
    for group in groups:
        if not group.settings:
            continue
        part = made.add_argument_group(group.title)
        for one in group.settings:
            is_switch = isinstance(one.value, bool)
            default = f", default {one.default}" if one.default else ""
            part.add_argument(
                one.flag,
                dest=one.name,
                action="append",
                nargs="?" if is_switch else None,
                const="true" if is_switch else None,
                metavar="VALUE",
                help=f"{one.setting.text} ({one.variable}{default})".replace("%", "%%"),
            )
    return made


def read_settings(
    command: str, groups: Sequence[Group], argv: Sequence[str], environ: Mapping[str, str]
) -> dict[str, FoundSetting]:
    """What was found, by name of the setting; raises ConfigError."""
    return settings_of(groups, vars(parser(command, groups).parse_args(list(argv))), environ)


def settings_of(
    groups: Sequence[Group], flags: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, FoundSetting]:
    """As `read_settings`, from the flags that `parser` has found."""
    settings = {one.name: one for group in groups for one in group.settings}
    _refuse_unknown(settings.values(), environ)
    path = flags["config"] or environ.get(FILE_VARIABLE, "")
    file = _file(path, settings) if path else {}
    return {name: _find(one, flags[name], environ, file, path) for name, one in settings.items()}


def _refuse_unknown(settings: Iterable[Declared], environ: Mapping[str, str]) -> None:
    """Refuse unknown PERDURE_ variables: a misspelt one would have no effect."""
    known = {FILE_VARIABLE, URL_VARIABLE, PROFILE_VARIABLE, *(one.variable for one in settings)}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not _KUBERNETES.fullmatch(name):
            raise _unknown(name, known)


def _file(path: str, settings: Mapping[str, Declared]) -> dict[str, str]:
    """Texts by name of the setting."""
    try:
        content = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error}.") from None
    for name in content:
        if name not in settings:
            raise _unknown(name, settings, f" in {path}")
    return {name: _text(name, value, path) for name, value in content.items()}


def _text(name: str, value: object, path: str) -> str:
    """A value of TOML as one would write it in a variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(name, one, path)}" for key, one in value.items())
    if isinstance(value, list):
        return ",".join(_text(name, one, path) for one in value)
    raise ConfigError(f"{name} in {path} cannot be a {type(value).__name__}.")


def _find(
    one: Declared,
    flags: list[str] | None,
    environ: Mapping[str, str],
    file: Mapping[str, str],
    path: str,
) -> FoundSetting:
    given = [(text, one.flag) for text in flags or ()]
    if variable := environ.get(one.variable):
        given.insert(0, (variable, one.variable))
    if one.name in file:
        given.insert(0, (file[one.name], path))
    if not given:
        return FoundSetting(one.value, "default")
    if one.setting.is_repeatable:
        merged: dict[str, str] = {}
        for text, source in given:
            merged |= _parse(one, text, source)
        return FoundSetting(merged, ", ".join(dict.fromkeys(source for _, source in given)))
    text, source = given[-1]
    return FoundSetting(_parse(one, text, source), source)


def _parse(one: Declared, text: str, source: str) -> Any:
    try:
        return one.setting.kind.parse(text)
    except ValueError as error:
        shown = HIDDEN if one.setting.kind.is_secret else repr(text)
        where = source if source in (one.flag, one.variable) else f"{one.name} in {source}"
        raise ConfigError(f"{where}={shown}: {error}.") from None
