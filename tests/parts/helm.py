"""Helm, as a library: what a chart gives for values, and what is wrong with that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from tests.parts.wheels import Asked, helm

# `kind` of a resource that Kubernetes itself does not define, so that there is no schema.
FOREIGN = ["ServiceMonitor"]

_RENDER = """
import json, sys
import helm_python as helm, yaml, kubernetes_validate as kv
given = json.load(sys.stdin)
answer = {"error": "", "resources": [], "wrong": []}
try:
    chart = helm.Chart.load(given["chart"])
    chart.validate_schema(given["values"])
    rendered = chart.render(given["values"], name=given["name"], namespace="production")
except helm.HelmError as error:
    answer["error"] = str(error)
    rendered = {}
for path, text in rendered.items():
    if path.endswith(".yaml"):
        answer["resources"] += [one for one in yaml.safe_load_all(text) if one]
for one in answer["resources"]:
    for version in given["versions"] if one["kind"] not in given["foreign"] else []:
        try:
            kv.validate(one, version, strict=True)
        except (kv.ValidationError, kv.SchemaNotFoundError) as error:
            answer["wrong"].append(f"{version}: {one['kind']}: {error.message}")
print(json.dumps(answer))
"""

_LINT = """
import json, sys
import helm_python as helm
given = json.load(sys.stdin)
report = helm.lint(given["chart"], given["values"], strict=True)
print(json.dumps([report["errors"], [m for m in report["messages"] if m["severity"] > 1]]))
"""


class Helm:
    """One chart; resources are checked against the schemas of `versions` of Kubernetes."""

    def __init__(self, chart: Path, versions: tuple[str, ...]) -> None:
        self._rendering, self._linting = Asked(_RENDER, helm()), Asked(_LINT, helm())
        self._chart = str(chart)
        self._versions = versions

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rendering.close()
        self._linting.close()

    def lint(self, values: dict[str, Any]) -> list[Any]:
        """What `helm lint --strict` finds: errors, then warnings."""
        errors, messages = self._linting.ask({"chart": self._chart, "values": values})
        return [*errors, *messages]

    def refusal(self, values: dict[str, Any]) -> str:
        """Why the chart refuses these values."""
        error: str = self._render(values, "live")["error"]
        return error

    def resources(self, values: dict[str, Any], name: str = "live") -> list[dict[str, Any]]:
        """The resources of a release in the namespace `production`, all of them well-formed."""
        answer = self._render(values, name)
        assert not answer["error"], answer["error"]
        assert not answer["wrong"], answer["wrong"]
        found: list[dict[str, Any]] = answer["resources"]
        return found

    def _render(self, values: dict[str, Any], name: str) -> Any:
        given = {
            "chart": self._chart,
            "values": values,
            "name": name,
            "versions": self._versions,
            "foreign": FOREIGN,
        }
        return self._rendering.ask(given)
