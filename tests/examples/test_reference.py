"""docs/python/reference.md is what the sources of the SDK say, and has every public name."""

import perdure
from tests.architecture import generated
from tests.examples import reference


def test_the_reference_is_made_from_the_sources() -> None:
    generated.check(reference.PAGE, reference.reference(), "reference")


def test_every_public_name_has_an_entry_with_words() -> None:
    assert set(perdure.__all__) <= reference.listed()
    page = reference.reference()
    for name in sorted(reference.listed()):
        entry = page.split(f"### {name}\n", 1)[1].split("\n### ")[0].split("\n## ")[0]
        words = [line for line in entry.splitlines() if line and line[0] not in "`*"]
        assert words, f"{name} has no docstring"
