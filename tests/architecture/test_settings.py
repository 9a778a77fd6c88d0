"""Every setting is declared once, can be written as it is shown, and stands in docs/settings.md."""

from pathlib import Path

import pytest

from orchestrator.config.options import GROUPS
from orchestrator.runtime.settings import Declared
from tests.architecture.generated import check

ROOT = Path(__file__).parents[2]
SETTINGS = [one for group in GROUPS for one in group.settings]


def test_a_name_is_declared_once() -> None:
    for names in ([one.name for one in SETTINGS], [one.flag for one in SETTINGS]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.name)
def test_a_default_is_shown_as_one_would_write_it(one: Declared) -> None:
    assert one.setting.text
    if one.value is None:
        assert one.default, "write as `default` what holds when it is not given"
    elif one.value:
        assert one.setting.kind.parse(one.setting.kind.show(one.value)) == one.value


def test_the_page_is_current() -> None:
    check(ROOT / "docs/settings.md", "".join(_lines()), "settings")


def _lines() -> list[str]:
    lines = []
    for group in GROUPS:
        if group.settings:
            lines += [
                f"\n## {group.title}\n\n",
                "| flag | variable | what it is | values | default |\n",
            ]
            lines += ["|---|---|---|---|---|\n", *(_line(one) for one in group.settings)]
    return [*lines, "\n"]


def _line(one: Declared) -> str:
    shape = one.setting.kind.shape
    default = one.default or "none"
    return f"| `{one.flag}` | `{one.variable}` | {one.setting.text} | {shape} | {default} |\n"
