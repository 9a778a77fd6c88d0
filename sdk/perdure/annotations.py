"""What the annotations of a function or class mean, whenever Python evaluates them.

Up to 3.13 they are values, or text where `from __future__ import annotations` says so. From 3.14 on
they are evaluated when somebody asks, all of an object at once, so that a name which only type
checkers know hides the others. Here each is looked up by itself.
"""

import functools
import inspect
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final, get_type_hints

NOTHING: Final[Mapping[str, Any]] = {}

if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    def written(of: Any) -> Mapping[str, Any]:
        """The annotations as they were written; names that are not known yet are references."""
        try:
            return get_annotations(of, format=Format.FORWARDREF)
        except Exception:  # noqa: BLE001 - in a class with a method `list`, `list[str]` is of that
            return get_annotations(of, format=Format.STRING)

    def parameters_of(fn: Any) -> list[inspect.Parameter]:
        """The parameters of a function. Their annotations are not what they mean."""
        return list(inspect.signature(fn, annotation_format=Format.FORWARDREF).parameters.values())

else:

    def written(of: Any) -> Mapping[str, Any]:
        """The annotations as they were written; text where they are text."""
        return inspect.get_annotations(of)

    def parameters_of(fn: Any) -> list[inspect.Parameter]:
        """The parameters of a function. Their annotations are not what they mean."""
        return list(inspect.signature(fn).parameters.values())


def meaning(of: Any, annotations: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """What annotations of a function or class mean; raises NameError. `names` are those that text
    may use besides the names of its module, and those a function closes over."""
    module = _names_of_module(of) if isinstance(of, type) else of.__globals__
    carrier = SimpleNamespace(
        __annotations__=dict(annotations), __type_params__=getattr(of, "__type_params__", ())
    )
    return get_type_hints(carrier, module, {**names, **closure_of(of)}, include_extras=True)


def _names_of_module(cls: type) -> dict[str, Any]:
    return getattr(sys.modules.get(cls.__module__), "__dict__", {})


def result_of(fn: Any) -> Any:
    """What a function is annotated to return; `inspect.Parameter.empty` if that is not known."""
    annotations = written(fn)
    if "return" in annotations:
        try:
            return meaning(fn, {"return": annotations["return"]}, NOTHING)["return"]
        except (AttributeError, NameError, SyntaxError, TypeError):
            pass
    return inspect.Parameter.empty


def function_of(call: Any) -> Any:
    """The function that does what is called: behind partials, decorators, methods and `__call__`.
    A class, and what is no function of Python, is given back."""
    while isinstance(call, functools.partial):
        call = call.func
    call = inspect.unwrap(getattr(call, "__func__", call))
    if inspect.isroutine(call) or inspect.isclass(call) or not callable(call):
        return call
    return getattr(type(call).__call__, "__func__", type(call).__call__)


def closure_of(fn: Any) -> dict[str, Any]:
    """The names that a function closes over, but those that are not bound yet."""
    found = {}
    names = fn.__code__.co_freevars if inspect.isfunction(fn) else ()
    for name, cell in zip(names, getattr(fn, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found
