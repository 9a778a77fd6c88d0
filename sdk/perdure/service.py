"""Services, objects and workflows: a name with handlers, as decorated functions or as a class.

`Service("Greeter")` collects functions by its decorators; a class that derives from Service, and
marks methods with the decorators of `perdure.marks`, is the same with `self.ctx` for the context.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, Unpack, overload

from perdure.annotations import meaning, parameters_of, written
from perdure.binding import (
    bind_function,
    bind_method,
    define_handler,
    instance_maker,
    own_copy,
)
from perdure.definitions import (
    HandlerKind,
    ServiceDefinition,
    ServiceKind,
    set_ref,
    unfit_service_name,
)
from perdure.errors import BadDefinition, BadValue
from perdure.interfaces import check_implements, interfaces_of, is_interface
from perdure.marks import HandlerFields, Mark, make_mark, marked, refuse_no_function
from perdure.misuse import caller
from perdure.options import HandlerOptions, ServiceFields, read_options, unfit_option
from perdure.signatures import place_of, refuse
from perdure.typed_state import StateField

if TYPE_CHECKING:
    from perdure.context import Context
    from perdure.keyed import ObjectContext, WorkflowContext

F = TypeVar("F", bound=Callable[..., Any])

_DEFINITION: Final = "__perdure_service__"
_STATE: Final = "__perdure_state__"


class BaseService:
    """What services, objects and workflows have in common."""

    _kind: ClassVar[ServiceKind]

    def __init__(
        self,
        name: str,
        *,
        implements: "type[BaseService] | None" = None,
        **options: Unpack[ServiceFields],
    ) -> None:
        frame = sys._getframe(1)
        place = (frame.f_code.co_filename, frame.f_lineno)
        self._definition = _new_service(name, self._kind, read_options(options), place)
        self._implements = implements

    def __init_subclass__(cls, name: str | None = None, **options: Unpack[ServiceFields]) -> None:
        super().__init_subclass__()
        if cls.__module__ == __name__:
            return  # the bases that this file defines
        frame = sys._getframe(1)
        names = {**_locals_of(frame), **_classes_in(cls), cls.__name__: cls}
        if cls.__doc__:
            options.setdefault("description", inspect.cleandoc(cls.__doc__))
        given = read_options(options)
        place = (frame.f_code.co_filename, frame.f_lineno)
        if name is None:
            name = next((_of_class(one).name for one in interfaces_of(cls)), cls.__name__)
        definition = _new_service(name, cls._kind, given, place)
        setattr(cls, _DEFINITION, definition)
        _define_methods(cls, definition, names)

    def _add(self, fn: Any, mark: Mark, frame: FrameType) -> Any:
        definition = self._definition
        made = define_handler(
            fn, definition.name, definition.kind, mark, _locals_of(frame), bind_function
        )
        earlier = definition.handlers.get(made.name)
        if earlier is not None:
            refuse(
                fn,
                f"{definition.name!r} has a handler {made.name!r} already,"
                f" at {earlier.file}:{earlier.line}",
            )
        definition.handlers[made.name] = made
        set_ref(fn, made.ref)
        return fn

    def _decorate(
        self, fn: Any, name: str | None, kind: HandlerKind | None, fields: HandlerFields
    ) -> Any:
        """Define a handler now, or return the decorator that will."""
        if fn is not None:
            refuse_no_function(fn)
        mark = make_mark(name, kind, fields)
        frame = sys._getframe(2)
        return (
            self._add(fn, mark, frame) if fn is not None else lambda fn: self._add(fn, mark, frame)
        )


class _Functions(BaseService):
    """The decorators that make functions handlers. They are not in the classes that users derive
    from, whose methods may have any name."""

    @property
    def name(self) -> str:
        """The name that callers use."""
        return definition_of(self).name

    @overload
    def handler(self, fn: F, /) -> F: ...
    @overload
    def handler(
        self, /, *, name: str | None = None, **options: Unpack[HandlerFields]
    ) -> Callable[[F], F]: ...
    def handler(
        self, fn: Any = None, /, *, name: str | None = None, **options: Unpack[HandlerFields]
    ) -> Any:
        """Make a function of a context, and at most one argument, a handler: exclusive per key in
        an Object, shared in a Workflow."""
        return self._decorate(fn, name, None, options)


class Service(BaseService):
    """Handlers without key or state; every call runs for itself."""

    _kind = "service"
    ctx: "Context"

    @overload
    def __new__(
        cls,
        name: str,
        *,
        implements: type[BaseService] | None = None,
        **options: Unpack[ServiceFields],
    ) -> "ServiceFunctions": ...
    @overload
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(ServiceFunctions if cls is Service else cls)


class Object(BaseService):
    """Handlers of a key with state: one exclusive handler at a time for each key."""

    _kind = "object"
    ctx: "ObjectContext"

    @overload
    def __new__(
        cls,
        name: str,
        *,
        implements: type[BaseService] | None = None,
        **options: Unpack[ServiceFields],
    ) -> "ObjectFunctions": ...
    @overload
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(ObjectFunctions if cls is Object else cls)


class Workflow(BaseService):
    """A handler that runs once for each key, and others that talk with it meanwhile."""

    _kind = "workflow"
    ctx: "WorkflowContext"

    @overload
    def __new__(
        cls,
        name: str,
        *,
        implements: type[BaseService] | None = None,
        **options: Unpack[ServiceFields],
    ) -> "WorkflowFunctions": ...
    @overload
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(WorkflowFunctions if cls is Workflow else cls)


class ServiceFunctions(Service, _Functions):
    """A service of decorated functions: what `Service(name)` makes."""


class ObjectFunctions(Object, _Functions):
    """An object of decorated functions: what `Object(name)` makes."""

    @overload
    def shared(self, fn: F, /) -> F: ...
    @overload
    def shared(
        self, /, *, name: str | None = None, **options: Unpack[HandlerFields]
    ) -> Callable[[F], F]: ...
    def shared(
        self, fn: Any = None, /, *, name: str | None = None, **options: Unpack[HandlerFields]
    ) -> Any:
        """A handler that runs beside others of its key, and reads state without changing it."""
        return self._decorate(fn, name, "shared", options)


class WorkflowFunctions(Workflow, _Functions):
    """A workflow of decorated functions: what `Workflow(name)` makes."""

    @overload
    def run(self, fn: F, /) -> F: ...
    @overload
    def run(
        self, /, *, name: str | None = None, **options: Unpack[HandlerFields]
    ) -> Callable[[F], F]: ...
    def run(
        self, fn: Any = None, /, *, name: str | None = None, **options: Unpack[HandlerFields]
    ) -> Any:
        """The handler that runs once for each key; a workflow has one."""
        return self._decorate(fn, name, "workflow", options)


def definition_of(service: Any) -> ServiceDefinition:
    """Return the definition of what `app` was given; raises BadDefinition for what cannot be
    served."""
    if isinstance(service, BaseService) and "_definition" in vars(service):
        found = service._definition
        if service._implements is not None:
            check_implements(found, _of_class(service._implements))
    elif (
        isinstance(service, type)
        and issubclass(service, BaseService)
        and hasattr(service, _DEFINITION)
    ):
        found = _of_class(service)
        _check_implemented(service, found)
        _check_construction(service)
    elif isinstance(service, BaseService):
        found = _with_prototype(service)
        _check_implemented(type(service), found)
    elif isinstance(service, ServiceDefinition):
        found = service  # by names other than ours
    elif isinstance(service, list | tuple):
        raise BadDefinition("app takes services one by one: app(a, b), app(*services)", *caller())
    else:
        raise BadDefinition(
            f"{service!r} is no service: give Service(...), Object(...) or Workflow(...), or a"
            " class of theirs",
            *caller(),
        )
    _check_whole(found)
    return found


def _of_class(cls: type) -> ServiceDefinition:
    found: ServiceDefinition = vars(cls)[_DEFINITION]
    return found


def _check_implemented(cls: type, found: ServiceDefinition) -> None:
    if is_interface(cls):
        message = f"{cls.__name__} is an interface: serve a class that derives from it"
        raise BadDefinition(message, found.file, found.line)
    for interface in interfaces_of(cls):
        check_implements(found, _of_class(interface))


def _locals_of(frame: FrameType) -> Mapping[str, Any]:
    return frame.f_locals if frame.f_locals is not frame.f_globals else {}


def _classes_in(cls: type) -> dict[str, Any]:
    """The classes that are defined in a class, and in those that it derives from."""
    named = [one for base in reversed(cls.__mro__) for one in vars(base).items()]
    return {name: value for name, value in named if isinstance(value, type)}


def _new_service(
    name: str, kind: ServiceKind, options: HandlerOptions, place: tuple[str, int]
) -> ServiceDefinition:
    wrong = unfit_service_name(name) or unfit_option(options, kind)
    if wrong:
        raise BadDefinition(f"{kind} {name!r}: {wrong}", *place)
    return ServiceDefinition(name, kind, options, {}, *place)


def _define_methods(
    cls: type[BaseService], definition: ServiceDefinition, names: Mapping[str, Any]
) -> None:
    """Fill a definition with the handlers of a class."""
    fields = _state_fields(cls, names)
    if fields and definition.kind == "service":
        raise BadDefinition(
            f"{cls.__name__} is a service, which has no state", definition.file, definition.line
        )
    setattr(cls, _STATE, fields)
    make = instance_maker(cls, BaseService)
    for attribute, fn, mark in marked(cls):
        if vars(cls).get(attribute) is not fn:
            fn = own_copy(fn)
            setattr(cls, attribute, fn)
        make_bind = bind_method(make, fields)
        made = define_handler(fn, definition.name, definition.kind, mark, names, make_bind)
        if made.name in definition.handlers:
            refuse(fn, f"{definition.name!r} has a handler {made.name!r} already")
        definition.handlers[made.name] = made
        set_ref(fn, made.ref)


def _state_fields(cls: type, names: Mapping[str, Any]) -> dict[str, StateField]:
    found: dict[str, StateField] = {}
    for base in reversed(cls.__mro__):
        annotations = written(base)
        for attribute, value in list(vars(base).items()):
            if not isinstance(value, StateField):
                continue
            if attribute == "ctx":
                message = "the context is called 'ctx': the state needs another name"
                raise BadDefinition(message, *place_of(base))
            kept = {attribute: annotations.get(attribute, Any)}
            try:
                value.take_type(meaning(base, kept, names)[attribute])
            except (AttributeError, BadValue, NameError, SyntaxError, TypeError) as error:
                file, line = place_of(base)
                raise BadDefinition(f"state {attribute!r}: {error}", file, line) from None
            earlier = found.get(value.name)
            if earlier is not None and earlier.attribute != attribute:
                message = (
                    f"state {attribute!r} and state {earlier.attribute!r} are both called"
                    f" {value.name!r}: give one of them another name="
                )
                raise BadDefinition(message, *place_of(base))
            found[value.name] = value
    return found


def _with_prototype(service: BaseService) -> ServiceDefinition:
    """An object of a user's class: every attempt gets a copy of it."""
    cls = type(service)
    known = _of_class(cls)
    make = instance_maker(cls, BaseService, service)
    handlers = {}
    for name, one in known.handlers.items():
        make_bind = bind_method(make, vars(cls)[_STATE])
        handlers[name] = replace(one, bind=make_bind(one.fn, one.is_async))
    return replace(known, handlers=handlers)


def _check_construction(cls: type[BaseService]) -> None:
    if cls.__init__ is BaseService.__init__:
        return
    needed = [
        one.name
        for one in parameters_of(cls.__init__)[1:]
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if needed:
        refuse(
            cls.__init__,
            f"{cls.__name__} needs {', '.join(needed)} to be made: give app an object of it,"
            f" {cls.__name__}(...)",
        )


def _check_whole(found: ServiceDefinition) -> None:
    if not found.handlers:
        raise BadDefinition(f"{found.name!r} has no handlers", found.file, found.line)
    runs = [one for one in found.handlers.values() if one.kind == "workflow"]
    if found.kind == "workflow" and len(runs) != 1:
        where = "".join(f"; {one.name} at {one.file}:{one.line}" for one in runs)
        raise BadDefinition(
            f"workflow {found.name!r} needs one @run handler, and has {len(runs)}{where}",
            found.file,
            found.line,
        )
    public = [
        one.name
        for one in found.handlers.values()
        if one.options.private is False and found.options.private
    ]
    if public:
        raise BadDefinition(
            f"{found.name!r} is private, so its handler {public[0]!r} cannot be public",
            found.file,
            found.line,
        )
