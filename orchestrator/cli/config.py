"""`perdure config`: the settings that `perdure serve` would run with, and who gave each."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.output import print_json, print_table
from orchestrator.config.options import GROUPS, build
from orchestrator.config.settings import ConfigError, FoundSetting, read_settings
from orchestrator.runtime.settings import Declared

COMMAND: Final = "perdure config"


def show_config(argv: Sequence[str]) -> int:
    """Takes the flags of `perdure serve`, and --json; refuses what that would."""
    given = [word for word in argv if word != "--json"]
    try:
        found = read_settings(COMMAND, GROUPS, given, os.environ)
        build(found)
    except ConfigError as error:
        raise CliError(str(error), EXIT_USAGE) from None
    settings = [one for group in GROUPS for one in group.settings]
    shown = [(one.name, _shown(one, found[one.name]), found[one.name].source) for one in settings]
    if len(given) < len(argv):
        print_json({name: {"value": text, "source": source} for name, text, source in shown})
    else:
        print_table(("SETTING", "VALUE", "SOURCE"), shown, "no settings")
    sys.stdout.flush()
    return 0


def _shown(one: Declared, found: FoundSetting) -> str:
    """Without secrets."""
    return one.default if found.source == "default" else one.setting.kind.show(found.value)
