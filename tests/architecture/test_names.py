"""One name stands for one thing in the whole house; the server and the SDK are a house each."""

import ast
from collections import defaultdict

import pytest

from tests.architecture.sources import name_of, source_files

# Each stands for one convention that several modules follow, and is called through its module.
CONVENTIONS = {
    "add",  # a file of commands adds its nouns to the command line
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
        for name in set(_public_names(ast.parse(path.read_text()))):  # overloads are one
            homes[name].append(name_of(path))
    doubles = {name: found for name, found in homes.items() if len(found) > 1}
    assert {name: found for name, found in doubles.items() if name not in CONVENTIONS} == {}
    if house == "orchestrator":
        assert set(doubles) == CONVENTIONS, "a convention that nobody follows any more"
