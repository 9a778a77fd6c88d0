"""Which server a command asks: flags, variables, profiles, in this order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.cli.profile_path import profile_path
from tests.unit.admin.world import World, world
from tests.unit.cli.printed import Printed

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture(autouse=True)
def own_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("PERDURE_ADMIN", "PERDURE_URL", "PERDURE_PROFILE", "PERDURE_INGRESS"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Printed:
    capsys.readouterr()
    return Printed(main(words), *capsys.readouterr())


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """The address that is asked, and who named it."""
    found = run(capsys, "whoami", "--json", *words).json
    return found["admin"], found["named_by"]


def test_who_names_the_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(capsys) == ("http://127.0.0.1:9070", "nobody: it is the default")
    for name in ("one", "two", "three"):
        assert run(capsys, "profiles", "set", name, "--admin", f"http://{name}:1").code == 0
    run(capsys, "profiles", "use", "one")
    assert asked(capsys) == ("http://one:1", "perdure profiles use")
    monkeypatch.setenv("PERDURE_PROFILE", "two")
    assert asked(capsys) == ("http://two:1", "PERDURE_PROFILE")
    monkeypatch.setenv("PERDURE_ADMIN", "admin:1")
    assert asked(capsys) == ("admin:1", "PERDURE_ADMIN")
    monkeypatch.setenv("PERDURE_URL", "http://url:1")
    assert asked(capsys) == ("http://url:1", "PERDURE_URL")
    assert asked(capsys, "--profile", "three") == ("http://three:1", "--profile")
    assert asked(capsys, "--profile", "three", "--admin", NOBODY) == (NOBODY, "--admin")


def test_what_answers_there(it: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "whoami", "--json", "--admin", it.url).json
    assert found["version"] and found["ingress"] == "http://127.0.0.1:8080/"
    assert found["problem"] is None
    away = run(capsys, "whoami", "--admin", NOBODY)
    assert away.code == 3 and "no server answers" in away.out


def test_the_ingress_is_of_the_same_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_INGRESS", "here:8080")
    flags = ("--admin", "http://there:1", "--ingress-url", "http://there:2")
    run(capsys, "profiles", "set", "there", *flags)

    def ingress(*words: str) -> object:
        return run(capsys, "whoami", "--json", *words).json["ingress"]

    assert ingress() == "here:8080"
    assert ingress("--profile", "there") == "http://there:2"
    assert ingress("--admin", NOBODY) is None  # the variable is of another server
    assert ingress("--ingress-url", "http://x:1") == "http://x:1"


def test_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert "perdure profiles set NAME" in run(capsys, "profiles", "list").out
    run(capsys, "profiles", "set", "one", "--admin", "http://one:1")
    run(capsys, "profiles", "use", "one")
    line = run(capsys, "profiles", "list").out.splitlines()[1].split()
    assert line[:3] == ["*", "one", "http://one:1"]
    assert profile_path().stat().st_mode & 0o777 == 0o600
    assert run(capsys, "profiles", "remove", "one").code == 0
    assert asked(capsys)[1] == "nobody: it is the default"
    assert run(capsys, "profiles", "list", "--json").json["profiles"] == {}


def test_profiles_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = run(capsys, "services", "list", "--profile", "prod")
    assert unknown.code == 2 and "perdure profiles set prod --admin URL" in unknown.err
    assert run(capsys, "profiles", "use", "prod").code == 2
    gone = run(capsys, "profiles", "remove", "prod")
    assert gone.code == 2 and "no profile 'prod'" in gone.err and "set" not in gone.err
    assert run(capsys, "profiles", "set", "prod").code == 2
    assert run(capsys, "profiles", "set", "prod", "--admin", "ftp://x").code == 2
    profile_path().parent.mkdir(parents=True, exist_ok=True)
    for broken in (b"{", b'{"profiles": 3}', b"\xff"):
        profile_path().write_bytes(broken)
        refused = run(capsys, "services", "list")
        assert refused.code == 2 and str(profile_path()) in refused.err
