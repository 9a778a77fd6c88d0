"""Holds answers of the admin API to its OpenAPI document.

Only what the document uses of JSON Schema is known here: another keyword is an error, so that
nothing is passed over.
"""

import json
import re
from typing import Any

_VERSION = re.compile(r"^/+(v[234]/+)?")
_ABOUT = {"title", "description", "default", "format"}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def _pattern(path: str) -> str:
    """Of a path with parameters; the name of a serde may have slashes in it."""
    known = path.replace("{name}", ".+") if "/serdes/" in path else path
    return re.sub(r"\{\w+\}", "[^/]+", known)


class ApiDocument:
    """The OpenAPI document of a server."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._paths = [
            (re.compile(_pattern(path)), methods) for path, methods in document["paths"].items()
        ]

    def check(self, method: str, path: str, status: int, media: str, body: bytes) -> None:
        """Fail if it is no answer that the document names for this request."""
        where = f"{method} {path}: {status}"
        operation = self._operation(method, path)
        if operation is None:
            hidden = method == "PUT" and path.startswith("/v2/deployments/")  # of that version only
            assert hidden or status >= 400, f"{where}: it is not in the document"
            return
        answers = operation["responses"]
        assert str(status) in answers or status >= 400, f"{where}: it is not in the document"
        answer = answers.get(str(status)) or answers["default"]
        media = media.partition(";")[0]
        if "content" not in answer:
            assert not body, f"{where}: the document says that it is empty"
            return
        content = answer["content"].get(media) or answer["content"].get("*/*")
        assert content is not None, f"{where}: {media!r} is not in the document"
        if media == "application/json" and method != "HEAD":
            self._hold(json.loads(body), content["schema"], where)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        plain = _VERSION.sub("/", path.partition("?")[0])
        method = {"HEAD": "get"}.get(method, method.lower())
        for pattern, methods in self._paths:
            if method in methods and pattern.fullmatch(plain):
                return methods[method]  # type: ignore[no-any-return]
        return None

    def _hold(self, value: Any, schema: dict[str, Any], at: str) -> None:
        for word, means in schema.items():
            if word not in _ABOUT:
                getattr(self, f"_{word.lstrip('$')}")(value, means, schema, at)

    def _ref(self, value: Any, means: str, schema: dict[str, Any], at: str) -> None:
        self._hold(value, self._schemas[means.removeprefix("#/components/schemas/")], at)

    def _type(self, value: Any, means: str, schema: dict[str, Any], at: str) -> None:
        is_bool = isinstance(value, bool)
        assert isinstance(value, _TYPES[means]), f"{at} is no {means}: {value!r}"
        assert is_bool == (means == "boolean"), f"{at} is no {means}: {value!r}"

    def _enum(self, value: Any, means: list[Any], schema: dict[str, Any], at: str) -> None:
        assert value in means, f"{at} is none of {means}: {value!r}"

    def _anyOf(self, value: Any, means: list[Any], schema: dict[str, Any], at: str) -> None:
        failed = []
        for one in means:
            try:
                return self._hold(value, one, at)
            except AssertionError as error:
                failed.append(str(error))
        raise AssertionError(f"{at}: {failed}")

    def _required(self, value: Any, means: list[str], schema: dict[str, Any], at: str) -> None:
        missing = [name for name in means if name not in value]
        assert not missing, f"{at} lacks {missing}: {value}"

    def _properties(
        self, value: Any, means: dict[str, Any], schema: dict[str, Any], at: str
    ) -> None:
        for name in means.keys() & value.keys():
            self._hold(value[name], means[name], f"{at} {name}")

    def _additionalProperties(
        self, value: Any, means: Any, schema: dict[str, Any], at: str
    ) -> None:
        for name in value.keys() - schema.get("properties", {}).keys():
            assert means is not False, f"{at}: {name} is not in the document"
            if means is not True:
                self._hold(value[name], means, f"{at} {name}")

    def _items(self, value: Any, means: dict[str, Any], schema: dict[str, Any], at: str) -> None:
        for number, one in enumerate(value):
            self._hold(one, means, f"{at} {number}")
