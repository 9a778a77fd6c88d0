"""Types that got a name by a `type` statement (Python 3.12), as what they stand for."""

import functools
import operator
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

_UNIONS: Final = (Union, UnionType)


def is_alias(annotation: Any) -> bool:
    """Whether a `type` statement made it; typing_extensions has them for older Pythons."""
    return hasattr(annotation, "__value__") and hasattr(annotation, "__type_params__")


def unnamed(annotation: Any) -> Any:
    """What an alias stands for, and an alias that it stands for; anything else as it is."""
    while True:
        origin = get_origin(annotation)
        if origin is not None and is_alias(origin):  # type Pair[T] = …
            annotation = origin.__value__[get_args(annotation)]
        elif origin is None and is_alias(annotation):
            annotation = annotation.__value__
        else:
            return annotation


def spelled_out(annotation: Any, inside: tuple[Any, ...] = ()) -> Any:
    """A type without aliases, but in the fields of classes; TypeError if one contains itself."""
    if annotation in inside:
        raise TypeError(f"{annotation} contains itself: make it a class, or annotate Any")
    plain = unnamed(annotation)
    if plain is not annotation:
        return spelled_out(plain, (*inside, annotation))
    origin, args = get_origin(plain), get_args(plain)
    if origin is None or origin is Literal or not args:
        return plain
    if origin is Annotated:
        return Annotated[(spelled_out(args[0], inside), *args[1:])]
    parts = tuple(_part(one, inside) for one in args)
    if all(new is old for new, old in zip(parts, args, strict=True)):
        return plain
    return functools.reduce(operator.or_, parts) if origin in _UNIONS else origin[parts]


def _part(one: Any, inside: tuple[Any, ...]) -> Any:
    return [_part(each, inside) for each in one] if type(one) is list else spelled_out(one, inside)
