"""Finds calls of a handler whose result another attempt would not have: clocks, chance, threads.

By reading its source when it is bound: nothing is patched, and no call costs more. Found is what a
handler calls itself, and what functions and methods of its module do that it calls; functions that
it gives to a step are free to do all of it.
"""

import ast
import asyncio
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from datetime import date, datetime
from importlib import import_module
from random import Random
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, TypeGuard

from perdure.annotations import closure_of
from perdure.misuse import warn_at

_CLOCK: Final = "use ctx.now() or ctx.time()"
_CHANCE: Final = "use ctx.random, or do it in a ctx.step"
_ID: Final = "use ctx.uuid(), or do it in a ctx.step"
_STEP: Final = "do it in a ctx.step"

# By module and qualified name; `*` is all of a module.
_FOUND: Final = {
    ("asyncio", "sleep"): "use ctx.sleep",
    ("asyncio", "to_thread"): _STEP,
    ("concurrent.futures", "*"): _STEP,
    ("datetime", "date.today"): _CLOCK,
    ("datetime", "datetime.now"): _CLOCK,
    ("datetime", "datetime.today"): _CLOCK,
    ("datetime", "datetime.utcnow"): _CLOCK,
    ("os", "urandom"): _CHANCE,
    ("random", "*"): _CHANCE,
    ("secrets", "*"): _CHANCE,
    ("threading", "Thread"): _STEP,
    ("threading", "Timer"): "use ctx.sleep",
    ("time", "monotonic"): _CLOCK,
    ("time", "perf_counter"): _CLOCK,
    ("time", "sleep"): "use ctx.sleep",
    ("time", "time"): _CLOCK,
    ("time", "time_ns"): _CLOCK,
    ("uuid", "uuid1"): _ID,
    ("uuid", "uuid4"): _ID,
    ("uuid", "uuid6"): _ID,
    ("uuid", "uuid7"): _ID,
    ("uuid", "uuid8"): _ID,
}
_MODULES: Final = frozenset(module for module, _ in _FOUND)
_ROOTS: Final = frozenset(module.partition(".")[0] for module in _MODULES)
_HOMES: Final = {  # of functions that another module shows
    "asyncio.tasks": "asyncio",
    "asyncio.threads": "asyncio",
    "concurrent.futures.process": "concurrent.futures",
    "concurrent.futures.thread": "concurrent.futures",
    "posix": "os",
}


def warn_of_ambient(fn: Callable[..., Any]) -> None:
    """Warn, by file and line, of each such call of a handler."""
    inner = inspect.unwrap(fn)
    if isinstance(inner, FunctionType):
        _warn(inner, set())


def _warn(fn: FunctionType, seen: set[CodeType]) -> None:
    """Warn of the calls of a function, and of those of its module that it calls."""
    if not _may_reach(fn, set()):
        return  # nearly all handlers need not be read
    seen.add(fn.__code__)
    for line, called in _calls(fn):
        found = _described(called)
        if found is not None:
            name, remedy = found
            message = f"{name} in a handler gives each attempt another result: {remedy}"
            warn_at(message, fn.__code__.co_filename, line)
        elif _is_helper(called, fn) and called.__code__ not in seen:
            _warn(called, seen)


def _may_reach(fn: FunctionType, seen: set[CodeType]) -> bool:
    """Look at what the names mean that a function, or a helper of it, uses."""
    if fn.__code__ in seen:
        return False
    seen.add(fn.__code__)
    names = fn.__code__.co_names
    if any(name.partition(".")[0] in _ROOTS for name in names):
        return True
    cls = _class_of(fn)
    meant = [fn.__globals__.get(name) for name in names] + [getattr(cls, one, 0) for one in names]
    meant += closure_of(fn).values()
    return any(_is_of_interest(one) for one in meant) or any(
        _may_reach(one, seen) for one in meant if _is_helper(one, fn)
    )


def _is_of_interest(named: Any) -> bool:
    if isinstance(named, ModuleType):
        return named.__name__.partition(".")[0] in _MODULES or named.__name__ in _MODULES
    return (isinstance(named, type) and named in (date, datetime)) or _described(named) is not None


def _is_helper(called: Any, fn: FunctionType) -> TypeGuard[FunctionType]:
    """Whether it is a plain function of the same module; `perdure.step` makes another of it."""
    return isinstance(called, FunctionType) and (
        called.__code__.co_filename == fn.__code__.co_filename
    )


def _class_of(fn: FunctionType) -> Any:
    """The class that a method is of; None where its module does not show it."""
    found: Any = None
    scope = fn.__globals__
    for name in fn.__qualname__.split(".")[:-1]:
        found = scope.get(name)
        if not isinstance(found, type):
            return None
        scope = dict(vars(found))
    return found


def _calls(fn: FunctionType) -> Iterator[tuple[int, Any]]:
    """The line of each call, and what is called, where that can be told."""
    try:
        lines, first = inspect.getsourcelines(fn)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return  # without source nothing can be said
    scope = {**vars(builtins), **fn.__globals__, **closure_of(fn)}
    cls = _class_of(fn)
    if cls is not None and fn.__code__.co_argcount:
        scope[fn.__code__.co_varnames[0]] = cls
    todo: list[ast.AST] = list(getattr(tree.body[0], "body", [tree]))
    for node in todo:
        if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
            continue  # it may be a step
        if isinstance(node, ast.Import | ast.ImportFrom):
            scope |= _imported(node)
        if isinstance(node, ast.Call):
            called = _resolve(node.func, scope)
            if called is not None and not _is_a_turn(called, node):
                yield first + node.lineno - 1, called
        todo += ast.iter_child_nodes(node)


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, Any]:
    """What an import inside of a function means, of the modules that are looked for."""
    found = {}
    for one in node.names:
        source = one.name if isinstance(node, ast.Import) else node.module or ""
        if source not in _MODULES:
            continue
        module = import_module(source)
        if isinstance(node, ast.ImportFrom):
            found[one.asname or one.name] = getattr(module, one.name, None)
        else:
            found[one.asname or one.name.partition(".")[0]] = module
    return found


def _is_a_turn(called: Any, node: ast.Call) -> bool:
    """asyncio.sleep(0) lets others run, and no time pass."""
    first = node.args[0] if node.args else None
    return called is asyncio.sleep and isinstance(first, ast.Constant) and first.value == 0


def _resolve(node: ast.AST, scope: dict[str, Any]) -> Any:
    """What a dotted name is; only modules and classes are looked into."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, scope)
        if isinstance(owner, ModuleType | type):
            return getattr(owner, node.attr, None)
    return None


def _described(called: Any) -> tuple[str, str] | None:
    """Name and remedy of a function, if it is one of those."""
    if isinstance(called, ModuleType) or called is Random:  # a generator with a seed is fine
        return None
    module = getattr(called, "__module__", None)
    owner = getattr(called, "__self__", None)
    name = getattr(called, "__qualname__", "")
    if isinstance(owner, type):  # datetime.now
        module = owner.__module__
    elif isinstance(owner, ModuleType):  # time.time
        module = owner.__name__
    elif isinstance(owner, Random):  # random.random
        module, name = "random", getattr(called, "__name__", "")
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    module = _HOMES.get(module, module)
    remedy = _FOUND.get((module, name)) or _FOUND.get((module, "*"))
    return None if remedy is None else (f"{module}.{name}", remedy)
