"""A module that says it is pure is under the contract that holds it to it."""

import ast
import re
import tomllib

from tests.architecture.sources import ROOT, name_of, source_files, tree_of


def _contract() -> tuple[str, ...]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [one for one in contracts["contracts"] if "pure ring" in one["name"]]
    return tuple(contract["source_modules"])


def _listed() -> set[str]:
    """The modules that ARCHITECTURE calls pure."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.partition("### What is pure")[2].partition("\n## ")[0]
    found: set[str] = set()
    for rooms, modules in re.findall(r"^\| (.+) \| (.+) \|$", section, re.MULTILINE):
        for room, names in zip(rooms.split(" · "), modules.split(" · "), strict=True):
            inside = "" if room == "whole rooms" else room.strip("`") + "."
            found |= {inside + name for name in re.findall(r"`([\w.]+)`", names)}
    return {name if name.startswith("perdure.") else "orchestrator." + name for name in found}


def test_architecture_and_the_contract_name_the_same_modules() -> None:
    assert _listed() == set(_contract())


def test_every_file_that_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(r"`(\w+/[\w/]*(?:\.py|/|\b))`", text):
        places = (ROOT, ROOT / "orchestrator")
        stored = name in ("log/", "metadata/")  # of a data directory
        assert stored or any((place / name).exists() for place in places), name


def test_what_is_called_pure_is_under_the_contract() -> None:
    held = _contract()
    for path in source_files():
        said = ast.get_docstring(tree_of(path)) or ""
        if re.search(r"\bPure\b|\bpure function|\bsans-I/?O\b", said):
            module = name_of(path).removeprefix("sdk/").removesuffix(".py").replace("/", ".")
            module = module.removesuffix(".__init__")
            assert any(module == one or module.startswith(one + ".") for one in held), (
                f"{module} says that it is pure: list it in the contract in pyproject.toml"
            )
