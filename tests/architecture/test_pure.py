"""A module that says it is pure is under the contract that holds it to it."""

import ast
import re
import tomllib

from tests.architecture.sources import ROOT, name_of, source_files


def test_what_is_called_pure_is_under_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [one for one in contracts["contracts"] if "pure ring" in one["name"]]
    held = tuple(contract["source_modules"])
    for path in source_files():
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        if re.search(r"\bPure\b|\bpure function|\bsans-I/?O\b", said):
            module = name_of(path).removeprefix("sdk/").removesuffix(".py").replace("/", ".")
            module = module.removesuffix(".__init__")
            assert any(module == one or module.startswith(one + ".") for one in held), (
                f"{module} says that it is pure: list it in the contract in pyproject.toml"
            )
