"""Finds calls of a handler whose result another attempt would not have: clocks, chance, threads.

By reading its source when it is bound: nothing is patched, and no call costs more. Only what a
handler calls itself is found; functions that it gives to a step are free to do all of it.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from datetime import date, datetime
from random import Random
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

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
}
_MODULES: Final = frozenset(module for module, _ in _FOUND)
_WHOLE: Final = frozenset(module for module, name in _FOUND if name == "*")
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
    if not isinstance(inner, FunctionType) or not _may_call(inner.__code__, inner.__globals__):
        return
    for line, name, remedy in _calls(inner):
        message = f"{name} in a handler gives each attempt another result: {remedy}"
        warn_at(message, inner.__code__.co_filename, line)


def _may_call(code: CodeType, names: dict[str, Any]) -> bool:
    """Look at what its names mean: nearly all handlers need not be read."""
    return any(_is_of_interest(names.get(name)) for name in code.co_names)


def _is_of_interest(named: Any) -> bool:
    if isinstance(named, ModuleType):
        return named.__name__.partition(".")[0] in _MODULES or named.__name__ in _MODULES
    return named in (date, datetime) or _described(named) is not None


def _calls(fn: FunctionType) -> Iterator[tuple[int, str, str]]:
    try:
        lines, first = inspect.getsourcelines(fn)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return  # without source nothing can be said
    scope = {**vars(builtins), **fn.__globals__, **_closure_of(fn)}
    todo: list[ast.AST] = list(getattr(tree.body[0], "body", [tree]))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
            continue  # it may be a step
        if isinstance(node, ast.Call):
            found = _described(_resolve(node.func, scope))
            if found is not None and not _is_a_turn(found[0], node):
                yield first + node.lineno - 1, *found
        todo += ast.iter_child_nodes(node)


def _is_a_turn(name: str, node: ast.Call) -> bool:
    """asyncio.sleep(0) lets others run, and no time pass."""
    first = node.args[0] if node.args else None
    return name == "asyncio.sleep" and isinstance(first, ast.Constant) and first.value == 0


def _closure_of(fn: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return found


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
