"""What a registration would change: services and handlers that come, go, or become others."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

View = Mapping[str, Any]
ServicesByName = dict[str, View]
_SETTINGS: Final = (
    "public",
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
    "enable_lazy_state",
    "retry_policy",
)
_OF_HANDLERS: Final = ("ty", "input_description", "output_description", *_SETTINGS)
_WORDS: Final = {
    "ty": "type",
    "input_description": "input",
    "output_description": "output",
}


class DeploymentChange(msgspec.Struct):
    """One line of the difference; `breaks` if what works today would not any more."""

    text: str
    breaks: bool = False


def by_name(views: list[View]) -> ServicesByName:
    return {one["name"]: one for one in views}


def changes(
    known: ServicesByName,
    replaced: ServicesByName,
    found: ServicesByName,
) -> list[DeploymentChange]:
    """`known` are the latest revisions, `replaced` those of the deployment that is overwritten."""
    lines: list[DeploymentChange] = []
    for name, service in found.items():
        old = known.get(name)
        if old is None:
            handlers = ", ".join(one["name"] for one in service["handlers"])
            lines.append(DeploymentChange(f"+ {name} ({service['ty']}): {handlers}"))
        else:
            lines += _of_service(old, service)
    for name in replaced.keys() - found.keys():
        lines.append(DeploymentChange(f"- {name}: it is not served any more", breaks=True))
    return lines


def _of_service(old: View, new: View) -> Iterator[DeploymentChange]:
    name = new["name"]
    if old["ty"] != new["ty"]:
        yield DeploymentChange(f"! {name}: type {old['ty']} -> {new['ty']}", breaks=True)
    for text in _differences(old, new, _SETTINGS):
        yield DeploymentChange(f"~ {name}: {text}")
    before, after = by_name(old["handlers"]), by_name(new["handlers"])
    for handler in before.keys() - after.keys():
        yield DeploymentChange(f"- {name}/{handler}: calls to it are refused", breaks=True)
    for handler, view in after.items():
        if handler not in before:
            yield DeploymentChange(f"+ {name}/{handler}")
            continue
        if before[handler].get("ty") != view.get("ty"):
            was, now = before[handler].get("ty"), view.get("ty")
            yield DeploymentChange(f"! {name}/{handler}: type {was} -> {now}", breaks=True)
        for text in _differences(before[handler], view, _OF_HANDLERS[1:]):
            yield DeploymentChange(f"~ {name}/{handler}: {text}")


def _differences(old: View, new: View, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if old.get(name) != new.get(name):
            yield f"{_WORDS.get(name, name)} {_shown(old.get(name))} -> {_shown(new.get(name))}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={one}" for name, one in value.items()) or "none"
    return "none" if value is None else str(value)
