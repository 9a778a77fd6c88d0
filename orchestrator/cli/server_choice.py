"""Which server a command speaks to, and who said so.

A flag wins, then the profile that a flag names, the variables PERDURE_URL and PERDURE_ADMIN, the
profile of PERDURE_PROFILE, the one in use, and at last this machine.
"""

import os
from typing import Final, NamedTuple

from orchestrator.cli.client import DEFAULT_ADMIN
from orchestrator.cli.profile_path import profile_path
from orchestrator.config.variables import PROFILE_VARIABLE, URL_VARIABLE

ADMIN_VARIABLE: Final = "PERDURE_ADMIN"
INGRESS_VARIABLE: Final = "PERDURE_INGRESS"


class Server(NamedTuple):
    """Addresses of a server; where that of its ingress is "", the admin API is asked for it."""

    admin: str
    ingress: str
    source: str  # who named the address of the admin API
    profile: str = ""


def chosen_server(admin: str, ingress: str, profile: str) -> Server:
    """`admin`, `ingress` and `profile` are flags, "" if not given; CliError for no such profile."""
    found = _chosen(admin, profile)
    if not (admin or found.profile):  # a variable is not for the server of a flag or a profile
        ingress = ingress or os.environ.get(INGRESS_VARIABLE, "")
    return found._replace(ingress=ingress) if ingress else found


def _chosen(admin: str, profile: str) -> Server:
    if admin:
        return Server(admin, "", "--admin")
    if profile:
        return _of_profile(profile, "--profile")
    for variable in (URL_VARIABLE, ADMIN_VARIABLE):
        if address := os.environ.get(variable):
            return Server(address, "", variable)
    if name := os.environ.get(PROFILE_VARIABLE):
        return _of_profile(name, PROFILE_VARIABLE)
    if profile_path().is_file():
        from orchestrator.cli.profile_file import read_profiles  # most people have none

        if name := read_profiles().used:
            return _of_profile(name, "perdure profiles use")
    return Server(DEFAULT_ADMIN, "", "nobody: it is the default")


def _of_profile(name: str, source: str) -> Server:
    from orchestrator.cli.profile_file import read_profiles

    found = read_profiles().named(name)
    return Server(found.admin, found.ingress, source, name)
