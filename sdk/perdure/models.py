"""Types that pydantic decodes: its models, wherever they are in an annotation."""

import sys
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints, is_typeddict

from perdure.aliases import is_alias
from perdure.errors import BadValue


def mentions_models(annotation: Any) -> bool:
    """Say whether there is a type of pydantic in an annotation."""
    if "pydantic" not in sys.modules:
        return False
    waiting, seen = [annotation], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if hasattr(one, "__pydantic_core_schema__") or hasattr(one, "__get_pydantic_core_schema__"):
            return True
        waiting += get_args(one)
        if is_alias(one):
            waiting.append(one.__value__)
        if isinstance(one, type) and (is_dataclass(one) or is_typeddict(one)):
            try:
                waiting += get_type_hints(one, include_extras=True).values()
            except NameError:
                continue  # whoever decodes it says so
    return False


class ModelSerde:
    """JSON of a type by pydantic."""

    content_type = "application/json"

    def __init__(self, annotation: Any) -> None:
        import pydantic

        try:
            self._adapter: Any = pydantic.TypeAdapter(annotation)
        except pydantic.PydanticUserError as error:
            raise TypeError(str(error).partition("\n")[0]) from None
        self._errors = (pydantic.ValidationError,)
        self._dump_errors = (ValueError, TypeError)  # pydantic's own is a ValueError
        self._takes_none = type(None) in get_args(annotation)

    def encode(self, value: Any) -> bytes:
        try:
            found: bytes = self._adapter.dump_json(value, by_alias=True, warnings="error")
        except self._dump_errors as error:
            raise BadValue(f"cannot be encoded: {error}") from error
        return found

    def decode(self, data: bytes) -> Any:
        if not data and self._takes_none:
            return None
        try:
            return self._adapter.validate_json(data)
        except self._errors as error:
            first = error.errors()[0]
            path = "$" + "".join(
                f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]
            )
            raise BadValue(f"{first['msg']} - at `{path}`", path) from None

    def schema(self) -> dict[str, Any] | None:
        found: dict[str, Any] = self._adapter.json_schema(by_alias=True)
        return found
