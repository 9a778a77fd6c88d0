"""The reference of the Python SDK as text, read from the sources: signatures and docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.parts.cache import REPOSITORY as ROOT

_SDK = ROOT / "sdk" / "perdure"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef

# Every public name, in the order of the page. A dotted name is imported from that module.
SECTIONS: dict[str, list[str]] = {
    "Definitions": [
        "Service",
        "Object",
        "Workflow",
        "handler",
        "shared",
        "run",
        "state",
        "step",
        "iface",
    ],
    "Options": ["Retry", "DefaultFields", "ServiceFields", "HandlerFields"],
    "Serving": ["app", "App"],
    "Contexts": [
        "Context",
        "ObjectSharedContext",
        "ObjectContext",
        "WorkflowSharedContext",
        "WorkflowContext",
        "SyncContext",
        "InvocationRequest",
        "current_context",
        "CallOptions",
        "SendOptions",
    ],
    "Futures and handles of handlers": [
        "Future",
        "Outcome",
        "CallFuture",
        "SendHandle",
        "Invocation",
        "KnownInvocation",
        "Awakeable",
        "DurablePromise",
        "SyncPromise",
        "SyncInvocation",
        "Group",
        "Saga",
        "Kafka",
        "RecordOptions",
        "Produced",
    ],
    "Errors": [
        "Terminal",
        "Cancelled",
        "DurableTimeout",
        "RetryAfter",
        "Pause",
        "Misuse",
        "MisuseWarning",
        "BadDefinition",
        "BadValue",
        "RequestRefused",
        "NotReady",
    ],
    "Values": ["Serde"],
    "Clients": [
        "Client",
        "Handle",
        "WorkflowHandle",
        "AwakeableHandle",
        "AsyncClient",
        "AsyncHandle",
        "AsyncWorkflowHandle",
        "AsyncAwakeableHandle",
        "CallFields",
        "SendFields",
    ],
    "Tests": ["testing.Env", "testing.SyncEnv", "testing.Patch", "testing.Topic"],
    "Engine in the same process": ["embedded.Embedded"],
    "Agents of other libraries": [
        "ai.pydantic_ai.PerdureDurability",
        "ai.openai_agents.DurableRunner",
        "ai.openai_agents.in_handler",
    ],
}


def _definitions() -> dict[str, ast.ClassDef | Function]:
    """Classes and functions of the SDK by name; of overloads the one with the body."""
    found: dict[str, ast.ClassDef | Function] = {}
    for path in sorted(_SDK.rglob("*.py")):
        if {"wire", "replay", "compat"} & set(path.parts):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.ClassDef, *_FUNCTIONS)) and not _is_overload(node):
                found[node.name] = node
    return found


def _is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(one) in ("overload", "typing.overload") for one in decorators)


def _doc(node: ast.ClassDef | Function) -> str:
    return ast.get_docstring(node) or ""


def _signature(node: Function, name: str, is_method: bool) -> str:
    args = node.args
    if is_method:
        args = ast.arguments(
            posonlyargs=args.posonlyargs[1:] if args.posonlyargs else [],
            args=args.args if args.posonlyargs else args.args[1:],
            vararg=args.vararg,
            kwonlyargs=args.kwonlyargs,
            kw_defaults=args.kw_defaults,
            kwarg=args.kwarg,
            defaults=args.defaults,
        )
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    awaited = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{awaited}{name}({ast.unparse(args).replace('/, ', '')}){result}"


class _Page:
    def __init__(self) -> None:
        self._all = _definitions()
        self._public = {name.rpartition(".")[2] for names in SECTIONS.values() for name in names}

    def lines(self) -> Iterator[str]:
        for title, names in SECTIONS.items():
            yield f"## {title}\n"
            for name in names:
                yield from self._entry(name)

    def _entry(self, dotted: str) -> Iterator[str]:
        module, _, name = dotted.rpartition(".")
        node = self._all[name]
        prefix = f"perdure.{module}." if module else ""
        yield f"### {prefix}{name}\n"
        if isinstance(node, _FUNCTIONS):
            yield f"```py\n{_signature(node, name, False)}\n```\n"
            yield f"{_doc(node)}\n"
            return
        yield from self._class(node)

    def _class(self, node: ast.ClassDef) -> Iterator[str]:
        init = self._find(node, "__init__")
        if init is not None and self._is_made_by_users(node):
            yield f"```py\n{_signature(init, node.name, True)}\n```\n"
        if _doc(node):
            yield f"{_doc(node)}\n"
        above = [base for base in self._bases(node) if base in self._public]
        if above:
            links = ", ".join(f"[{base}](#{base.lower()})" for base in above)
            yield f"Has all that {links} has.\n"
        members = list(self._members(node))
        yield from (f"* {line}" for line in members)
        if members:
            yield ""

    def _is_made_by_users(self, node: ast.ClassDef) -> bool:
        """Contexts, futures and handles are given, not made."""
        section = next(title for title, names in SECTIONS.items() if node.name in _last(names))
        made_by_us = ("Contexts", "Futures and handles of handlers", "Serving")
        return section not in made_by_us and not node.name.endswith("Handle")

    def _bases(self, node: ast.ClassDef) -> list[str]:
        return [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]

    def _find(self, node: ast.ClassDef, name: str) -> Function | None:
        for one in node.body:
            if isinstance(one, _FUNCTIONS) and one.name == name and not _is_overload(one):
                return one
        for base in self._bases(node):
            above = self._all.get(base)
            found = self._find(above, name) if isinstance(above, ast.ClassDef) else None
            if found is not None:
                return found
        return None

    def _members(self, node: ast.ClassDef) -> Iterator[str]:
        """Its own, and those of bases that have no entry."""
        for base in self._bases(node):
            above = self._all.get(base)
            if base not in self._public and isinstance(above, ast.ClassDef):
                yield from self._members(above)
        for position, one in enumerate(node.body):
            if isinstance(one, _FUNCTIONS) and not one.name.startswith("_"):
                if not _is_overload(one):
                    yield self._member(one)
            elif isinstance(one, ast.AnnAssign) and _is_public(one):
                yield _field(one, node.body[position + 1 : position + 2])

    def _member(self, node: Function) -> str:
        kinds = {ast.unparse(one) for one in node.decorator_list}
        if "property" in kinds:
            shown = f"`{node.name}: {ast.unparse(node.returns) if node.returns else 'Any'}`"
        else:
            shown = f"`{_signature(node, node.name, 'staticmethod' not in kinds)}`"
        doc = " ".join(_doc(node).split())
        return f"{shown}  \n  {doc}" if doc else shown


def _is_public(node: ast.AnnAssign) -> bool:
    return not ast.unparse(node.target).startswith("_") and "ClassVar" not in ast.unparse(node)


def _field(node: ast.AnnAssign, after: list[ast.stmt]) -> str:
    shown = f"`{ast.unparse(node)}`"
    if after and isinstance(after[0], ast.Expr) and isinstance(after[0].value, ast.Constant):
        shown += f"  \n  {' '.join(str(after[0].value.value).split())}"
    return shown


def _last(names: list[str]) -> list[str]:
    return [name.rpartition(".")[2] for name in names]


def reference() -> str:
    """The page, without what stands above it."""
    return "\n".join(_Page().lines()).rstrip() + "\n"


def listed() -> set[str]:
    """Names that are listed as `perdure.NAME`."""
    return {name for names in SECTIONS.values() for name in names if "." not in name}


PAGE: Path = ROOT / "docs" / "python" / "reference.md"
