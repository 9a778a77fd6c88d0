"""What a handler's function takes and returns, read once when it is defined.

Everything that cannot work is an error here, with the file and the line of the function.
"""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final, NoReturn, TypeVar, get_origin
from uuid import UUID

from perdure.annotations import meaning, parameters_of, written
from perdure.errors import BadDefinition, BadValue
from perdure.serde import Serde, serde_for, serde_for_result

_EMPTY: Final = inspect.Parameter.empty
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)

_CONTAINERS: Final = (dict, frozenset, list, set, tuple)
_VALUES: Final = (*_CONTAINERS, bool, bytes, date, datetime, float, int, str, timedelta, UUID)
_CONTEXTS: Final = ("perdure.blocking", "perdure.context", "perdure.keyed")
# Of attrs, msgspec, pydantic, and TypedDict.
_FIELDS: Final = ("__attrs_attrs__", "__struct_fields__", "model_fields", "__total__")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Signature:
    """`first` is the annotation of the context (or of self), where there is one."""

    is_async: bool
    takes_input: bool
    required: bool
    input: Serde[Any]
    output: Serde[Any]
    first: Any


class WithDefault:
    """The serde of a parameter that has a default: without a body it is that default."""

    def __init__(self, inner: Serde[Any], default: Any) -> None:
        self.content_type = inner.content_type
        self.encode = inner.encode
        self.schema = inner.schema
        self._decode = inner.decode
        self._default = default

    def decode(self, data: bytes) -> Any:
        return self._decode(data) if data else self._default


def place_of(fn: Any) -> tuple[str, int]:
    """Return the file and the line where a function or class begins."""
    fn = inspect.unwrap(fn) if callable(fn) else fn
    code = getattr(fn, "__code__", None)
    if isinstance(code, types.CodeType):
        return code.co_filename, code.co_firstlineno
    try:
        return inspect.getsourcefile(fn) or "", inspect.getsourcelines(fn)[1]
    except (OSError, TypeError):
        return "", 0


def refuse(fn: Any, message: str) -> NoReturn:
    """Raise BadDefinition for a function or class."""
    raise BadDefinition(message, *place_of(fn))


def read_signature(
    fn: Callable[..., Any],
    names: Mapping[str, Any],
    input_serde: Serde[Any] | None = None,
    output_serde: Serde[Any] | None = None,
) -> Signature:
    """Read a function of a context (or self) and at most one argument.

    `names` resolves annotations that are written as text and name something local.
    """
    label = f"handler {getattr(fn, '__name__', fn)!r}"
    inner = inspect.unwrap(fn) if callable(fn) else fn
    if not inspect.isfunction(inner):
        refuse(fn, f"{label} is no function: write async def or def")
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        refuse(fn, f"{label} yields: a handler returns one value")
    first, argument = _roles(fn, label, parameters_of(fn))
    hints = _hints(inner, label, names)
    if not _may_be_context(hints.get(first.name)):
        refuse(fn, f"{label} takes no context: it comes first, before {first.name!r}")
    if argument is not None and _is_context(hints.get(argument.name)):
        refuse(fn, f"{label} has a context already: in a class it is self.ctx")
    takes_input = argument is not None
    serde_in = input_serde or _serde(
        fn,
        label,
        f"parameter {argument.name!r}" if argument else "",
        hints.get(argument.name, _EMPTY) if argument else None,
    )
    has_default = argument is not None and argument.default is not _EMPTY
    if argument is not None and has_default:
        serde_in = WithDefault(serde_in, argument.default)
    return Signature(
        is_async=inspect.iscoroutinefunction(inner),
        takes_input=takes_input,
        required=takes_input and not has_default and not _takes_nothing(serde_in),
        input=serde_in,
        output=output_serde
        or _serde(fn, label, "the result", hints.get("return", _EMPTY), serde_for_result),
        first=hints.get(first.name, _EMPTY),
    )


def _roles(
    fn: Callable[..., Any], label: str, parameters: list[inspect.Parameter]
) -> tuple[inspect.Parameter, inspect.Parameter | None]:
    """Return the parameters of the context and of the input."""
    positional = [one for one in parameters if one.kind in _POSITIONAL]
    for one in parameters:
        if (
            one.kind is inspect.Parameter.VAR_POSITIONAL
            or one.kind is inspect.Parameter.VAR_KEYWORD
        ):
            refuse(fn, f"{label} takes {one}: a handler takes a context and at most one argument")
        if one.kind is inspect.Parameter.KEYWORD_ONLY and one.default is _EMPTY:
            refuse(fn, f"{label} needs the keyword {one.name!r}, which no caller can give")
    if not positional:
        refuse(fn, f"{label} takes nothing: its first parameter is the context (or self)")
    extra = [one.name for one in positional[2:] if one.default is _EMPTY]
    if extra:
        in_class = positional[0].name == "self"
        where = "self, which has the context as self.ctx" if in_class else "the context"
        refuse(
            fn,
            f"{label} takes {len(positional) - 1} arguments besides {where}; callers send"
            " one value: make it a dataclass",
        )
    return positional[0], positional[1] if len(positional) > 1 else None


def _is_context(annotation: Any) -> bool:
    return getattr(annotation, "__module__", "") in _CONTEXTS


def _may_be_context(annotation: Any) -> bool:
    """False for types of values: their handler has forgotten the context."""
    if not isinstance(annotation, type):
        return get_origin(annotation) not in _CONTAINERS
    if annotation in _VALUES or issubclass(annotation, Enum):
        return False
    return not (is_dataclass(annotation) or any(hasattr(annotation, one) for one in _FIELDS))


def _hints(fn: Callable[..., Any], label: str, names: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return meaning(fn, written(fn), names)
    except NameError as error:
        refuse(fn, f"{label} has an annotation that names nothing known: {error}")
    except Exception as error:  # noqa: BLE001 - it may be any expression
        refuse(fn, f"{label} has an annotation that cannot be read: {error}")


def _serde(
    fn: Callable[..., Any],
    label: str,
    what: str,
    annotation: Any,
    find: Callable[[Any], Serde[Any]] = serde_for,
) -> Serde[Any]:
    try:
        return find(annotation)
    except TypeError as error:
        refuse(fn, f"{label}: {what} cannot be carried: {error}")


def _takes_nothing(serde: Serde[Any]) -> bool:
    try:
        serde.decode(b"")
    except BadValue:
        return False
    except Exception:  # noqa: BLE001 - a user's serde
        return False
    return serde.content_type != "application/octet-stream"
