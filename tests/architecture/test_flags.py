"""Commands and flags that messages and pages name are there: people type them as they stand."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from orchestrator.cli.commands import Noun
from orchestrator.cli.known import root
from orchestrator.cli.own_flags import OWN_FLAGS, flags_of_serve
from tests.architecture.generated import check
from tests.architecture.sources import ROOT, name_of, nodes_of, source_files

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9.-]*[a-z0-9](?![a-z0-9-])")
_LINE = re.compile(r"perdure ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)([^`\n\"|;&]*)")
# Parsers of their own, whose flags are read off their sources.
_OTHERS = (
    *("sdk/perdure", "demo", "tests/bench", "tests/simulation", "tests/scale", "tests/compose"),
    "tests/sdk_typescript",
)
# Other programs, in commands that stand on pages whole.
_FOREIGN = {
    "docker": {"--reuse-values", "--set", "--ulimit", "--namespace", "--from-literal"},
    "kafka": {
        *("--bootstrap-server", "--command-config", "--add", "--allow-principal", "--operation"),
        *("--topic", "--topics", "--group", "--transactional-id", "--resource-pattern-type"),
        *("--alter", "--entity-type", "--entity-name", "--add-config", "--create", "--describe"),
        *("--members", "--all", "--list", "--delete"),
        *("--partitions", "--replication-factor", "--config", "--if-not-exists"),
        *("--broker-id", "--partition", "--start-offset", "--max-transaction-timeout"),
    },
    "others": {"--json", "--workers", "--host", "--port", "--cov"},
}


def _commands() -> dict[str, click.Command]:
    """Every command by its words."""
    found: dict[str, click.Command] = {}
    made = root()
    context = click.Context(made)
    for name in made.list_commands(context):
        command = made.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, Noun):
            found |= {f"{name} {verb}": one for verb, one in command.commands.items()}
    return found


COMMANDS = _commands()


def _flags(words: str) -> set[str]:
    if words in OWN_FLAGS:
        dev = (ROOT / "orchestrator/cli/dev/command.py").read_text()
        return {*flags_of_serve(), *_FLAG.findall(dev), "--json", "--help"}
    command = COMMANDS[words]
    options = [one for one in command.params if isinstance(one, click.Option)]
    return {flag for one in options for flag in (*one.opts, *one.secondary_opts)} | {"--help"}


def _known() -> set[str]:
    own = set().union(*(_flags(words) for words in COMMANDS), *_FOREIGN.values())
    for place in _OTHERS:
        for path in (ROOT / place).rglob("*.py"):
            if "add_argument" in (text := path.read_text()):
                own |= set(_FLAG.findall(text))
    return own


def _texts(path: Path) -> Iterator[str]:
    """A page, or the texts of a module; what stands between braces may be anything."""
    if path.suffix == ".md":
        yield path.read_text()
        return
    for node in nodes_of(path):
        if isinstance(node, ast.JoinedStr):
            parts = (one.value if isinstance(one, ast.Constant) else " … " for one in node.values)
            yield "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _of_product() -> list[Path]:
    return [*PAGES, *source_files()]


def test_every_flag_that_is_named_exists() -> None:
    known = _known()
    unknown = {
        (name_of(path), flag)
        for path in _of_product()
        for text in _texts(path)
        for flag in _FLAG.findall(text)
        if flag not in known
    }
    assert not unknown


def _wrong(text: str) -> Iterator[str]:
    for words, rest in _LINE.findall(text):
        noun, _, verb = words.partition(" ")
        if noun not in COMMANDS:
            continue  # a sentence
        whole = words if words in COMMANDS else noun
        if isinstance(COMMANDS[whole], Noun):
            if verb:
                yield f"perdure {noun} has no {verb}"
            continue
        own = rest.partition(".sh")[0]  # a message may name another program's command
        if unknown := set(_FLAG.findall(own)) - _flags(whole):
            yield f"perdure {words} has no {unknown}: {rest}"


def test_every_command_that_is_named_exists() -> None:
    """`perdure noun verb --flag`: the verb is of the noun, and the flag of the verb."""
    wrong = [
        f"{name_of(path)}: {line}"
        for path in _of_product()
        for text in _texts(path)
        for line in _wrong(text)
    ]
    assert not wrong


def test_the_page_of_the_command_line_is_current() -> None:
    lines = [
        f"| `perdure {words}` | {command.get_short_help_str(200).rstrip('.')} |\n"
        for words, command in COMMANDS.items()
        if not isinstance(command, Noun)
    ]
    head = "| command | what it does |\n|---|---|\n"
    check(ROOT / "docs/cli.md", head + "".join(lines), "commands")
