"""Finds the app that a command line names: `app.py`, `app.py:name`, `package.module:name`."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from perdure.misuse import is_own
from perdure.service import BaseService
from perdure.transports.application import App

_DEFAULT: Final = "app"
_MODULE: Final = "__perdure_app__"


class NoApp(Exception):
    """There is no app where one was named; the text says what was found instead."""


def load_app(spec: str) -> App:
    """Import what is named, and return its app. Raises NoApp, and what the import raises."""
    place, attribute = _split(spec)
    module = _from_file(Path(place)) if place.endswith(".py") else _from_name(place)
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if isinstance(found, App):
        return found
    if found is None:
        known = [name for name, value in vars(module).items() if isinstance(value, App)]
        others = f"; it has {', '.join(known)}" if known else ""
        raise NoApp(f"{place} has no {attribute!r}{others}")
    if isinstance(found, BaseService) or (
        isinstance(found, type) and issubclass(found, BaseService)
    ):
        raise NoApp(f"{attribute!r} in {place} is a service: write app = perdure.app({attribute})")
    raise NoApp(f"{attribute!r} in {place} is {type(found).__name__!r}, made by no perdure.app()")


def import_traceback(error: BaseException) -> str:
    """The traceback of an import that failed, from the user's own module on."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    frames = [
        one
        for one in shown.stack
        if not is_own(one.filename) and not one.filename.startswith("<frozen ")
    ]
    shown.stack = traceback.StackSummary.from_list(frames)
    return "".join(shown.format()).rstrip()


def _split(spec: str) -> tuple[str, str]:
    place, colon, attribute = spec.rpartition(":")
    if not colon or attribute.endswith(".py") or "/" in attribute or "\\" in attribute:
        return spec, _DEFAULT
    return place, attribute


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise NoApp(f"there is no file {path}")
    path = path.resolve()
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = path.stem if path.stem not in sys.modules else _MODULE
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and annotations look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_name(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise NoApp(f"there is no module {name!r}") from None
        raise
