"""The file of profiles: addresses of servers by name, and the name of the one in use."""

import os
import shlex

import msgspec

from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.profile_path import profile_path


class Profile(msgspec.Struct, omit_defaults=True):
    """Addresses of a server; its ingress is asked for at the admin API if it is ""."""

    admin: str
    ingress: str = ""


class Profiles(msgspec.Struct):
    """What the file holds; `used` is "" if none is in use."""

    used: str = ""
    profiles: dict[str, Profile] = {}

    def named(self, name: str) -> Profile:
        """CliError if there is none of this name."""
        self.check(name, f": perdure profiles set {shlex.quote(name)} --admin URL makes it")
        return self.profiles[name]

    def check(self, name: str, remedy: str = "") -> None:
        """CliError if there is none of this name."""
        if name not in self.profiles:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise CliError(f"there is no profile {name!r} (there is {known}){remedy}", EXIT_USAGE)


def read_profiles() -> Profiles:
    """None are in a file that is not there; CliError for one that cannot be read."""
    try:
        return msgspec.json.decode(profile_path().read_bytes(), type=Profiles)
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # or there is no home
        return Profiles()
    except OSError as error:
        raise CliError(f"{profile_path()} cannot be read: {error.strerror}", EXIT_USAGE) from None
    except msgspec.DecodeError as error:
        raise CliError(
            f"{profile_path()} does not hold profiles ({error}): mend or remove it", EXIT_USAGE
        ) from None


def write_profiles(profiles: Profiles) -> None:
    """Readable by its owner alone: an address may be a secret."""
    path = profile_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = path.with_suffix(".new")
    text = msgspec.json.format(msgspec.json.encode(profiles), indent=2) + b"\n"
    with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
    written.replace(path)
