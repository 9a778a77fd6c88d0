"""One name stands for one thing in the whole house; the server and the SDK are a house each."""

import ast
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.architecture.sources import name_of, source_files, tree_of

# Each stands for one convention that several modules follow, and is called through its module.
CONVENTIONS = {
    "command",  # of a file of commands: what Root loads by its name
    "main",  # where a process begins
    "router",  # the routes of one part of the admin API
}


def _public_names(tree: ast.Module) -> list[str]:
    """Classes, functions and aliases of types that a module defines."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found += [name for name in names if name[0].isupper() and not name.isupper()]
    return [name for name in found if not name.startswith("_")]


@pytest.mark.parametrize("house", ["orchestrator", "sdk/perdure"])
def test_a_public_name_is_defined_once(house: str) -> None:
    homes = defaultdict(list)
    for path in source_files():
        # The codec of the protocol is read in both.
        if not name_of(path).startswith((f"{house}/", "sdk/perdure/wire/")):
            continue
        if name_of(path).startswith("sdk/perdure/compat/"):
            continue  # the names of another SDK
        for name in set(_public_names(tree_of(path))):  # overloads are one
            homes[name].append(name_of(path))
    doubles = {name: found for name, found in homes.items() if len(found) > 1}
    assert {name: found for name, found in doubles.items() if name not in CONVENTIONS} == {}
    if house == "orchestrator":
        assert set(doubles) == CONVENTIONS, "a convention that nobody follows any more"


# Of equal value, and of different meaning.
ACCIDENTS = {
    "'latest'": {"LATEST_DEPLOYMENT", "LATEST"},  # of deployments, of offsets
    "(OBJECT_EXCLUSIVE, WORKFLOW_RUN)": {"HOLDS_LOCK", "WRITES_STATE"},
}
_OF_A_MODULE = ("logging.getLogger", "TypeVar", "Struct", "struct.Struct", "wire.HEADER_BYTES")
_SHORT = 4  # a number or a word that says nothing by itself


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and value of each; `Final` says nothing of the value."""
    for node in tree.body:
        target: ast.expr | None = None
        if isinstance(node, ast.AnnAssign):
            target, value = node.target, node.value
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name) or not target.id.lstrip("_").isupper():
            continue
        text = "" if value is None else ast.unparse(value)
        try:
            text = repr(eval(compile(text, "a constant", "eval"), {"__builtins__": {}}))
        except (NameError, SyntaxError):
            pass  # of other names
        if text and not text.startswith(_OF_A_MODULE):
            yield target.id.lstrip("_"), text


def test_a_constant_has_one_home() -> None:
    """What stands twice is changed once. The same number may mean two things, under two names; a
    text or a pattern may not."""
    homes = defaultdict(set)
    names = defaultdict(set)
    for path in source_files():
        if name_of(path).startswith("orchestrator/"):
            for name, value in _constants(tree_of(path)):
                homes[name, value].add(name_of(path))
                if value[0] not in "0123456789-" and len(value) > _SHORT:
                    homes[value, value].add(name_of(path))
                    names[value].add(name)
    doubles = {key: sorted(found) for key, found in homes.items() if len(found) > 1}
    for value, accident in ACCIDENTS.items():
        assert names[value] == accident, "no accident any more"
        del doubles[value, value]
    assert doubles == {}
