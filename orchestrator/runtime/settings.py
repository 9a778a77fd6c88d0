"""How a room declares its settings: an annotation of a field of its options.

    class SqlOptions(msgspec.Struct, frozen=True, kw_only=True):
        deadline_s: Annotated[float, Setting("longest time of a query", duration_s())] = 30.0

The field gives the name (without its unit: `deadline`), the type and the default; the annotation
the text and the check. `config` collects the options of all rooms, reads flags, variables and the
file, and builds them. A field without an annotation is none of an operator's business.
"""

import re
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from orchestrator.runtime.kinds import SettingKind

_UNIT: Final = re.compile(r"_(ms|s|bytes)(?=_|$)")


class Setting(NamedTuple):
    """`default`: what holds when a field whose default is None was not given, as people read it."""

    text: str
    kind: SettingKind
    default: str = ""
    name: str = ""  # if it is not that of the field
    flag_name: str = ""  # if it is not that of the setting
    is_repeatable: bool = False  # a flag that may be given several times, for pairs


class Declared(NamedTuple):
    """A setting with what its field says of it."""

    field: str
    setting: Setting
    value: Any  # the default

    @property
    def name(self) -> str:
        """As in a file; the flag and the variable are made of it."""
        return self.setting.name or _UNIT.sub("", self.field)

    @property
    def flag(self) -> str:
        return "--" + (self.setting.flag_name or self.name).replace("_", "-")

    @property
    def variable(self) -> str:
        return "PERDURE_" + self.name.upper()

    @property
    def default(self) -> str:
        """The default as people would write it."""
        if self.setting.default or self.value is None:
            return self.setting.default
        return self.setting.kind.show(self.value)


def declared(options: type[msgspec.Struct]) -> list[Declared]:
    """The settings of a room's options, in order."""
    fields = {field.name: field for field in msgspec.structs.fields(options)}
    found: list[Declared] = []
    for field, hint in get_type_hints(options, include_extras=True).items():
        if get_origin(hint) is Annotated:
            notes = (note for note in get_args(hint)[1:] if isinstance(note, Setting))
            found += [Declared(field, note, _default(fields[field])) for note in notes]
    return found


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()
