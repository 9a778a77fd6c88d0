"""perdure profiles: list, set, use, remove: addresses of servers by name."""

import click
import msgspec

from orchestrator.cli.client import DEFAULT_ADMIN, admin_address
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.ingress import ingress_address
from orchestrator.cli.output import print_json, print_table
from orchestrator.cli.profile_file import Profile, read_profiles, write_profiles
from orchestrator.cli.profile_path import profile_path

command = Noun("profiles", "Addresses of servers by name, for --profile and PERDURE_PROFILE.")
_name = click.argument("name")


@command.verb("list", "All profiles.")
def _list(asked: Asked) -> int:
    found = read_profiles()
    if asked.json:
        print_json({"file": str(profile_path()), **msgspec.to_builtins(found)})
        return 0
    rows = [
        ("*" if name == found.used else "", name, one.admin, one.ingress or "as the server says")
        for name, one in sorted(found.profiles.items())
    ]
    nothing = f"no profiles: perdure profiles set NAME --admin {DEFAULT_ADMIN} makes one"
    print_table(("USED", "NAME", "ADMIN", "INGRESS"), rows, nothing)
    return 0


@command.verb("set", "Keep the addresses of --admin and --ingress-url under a name.")
@_name
def _set(asked: Asked, name: str) -> int:
    if not asked.admin_address:
        raise CliError(f"say --admin {DEFAULT_ADMIN}, or where else it is", EXIT_USAGE)
    admin_address(asked.admin_address)
    if asked.ingress_address:
        ingress_address(asked.ingress_address)
    found = read_profiles()
    found.profiles[name] = Profile(asked.admin_address, asked.ingress_address)
    write_profiles(found)
    return _said(asked, f"profile {name} is {asked.admin_address}")


@command.verb("use", "Ask the server of a profile where nothing else is said.")
@_name
def _use(asked: Asked, name: str) -> int:
    found = read_profiles()
    found.named(name)
    found.used = name
    write_profiles(found)
    return _said(asked, f"profile {name} is used where nothing else is said")


@command.verb("remove", "Forget a profile.")
@_name
def _remove(asked: Asked, name: str) -> int:
    found = read_profiles()
    found.check(name)
    del found.profiles[name]
    if found.used == name:
        found.used = ""
    write_profiles(found)
    return _said(asked, f"profile {name} is forgotten")


def _said(asked: Asked, text: str) -> int:
    if asked.json:
        print_json(msgspec.to_builtins(read_profiles()))
    else:
        print(text)
    return 0
