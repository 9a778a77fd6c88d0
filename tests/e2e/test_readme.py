"""What the README tells people to type does what it says."""

import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.parts.cache import REPOSITORY
from tests.parts.client import http_request
from tests.parts.java_program import compile_service
from tests.parts.needed import needed
from tests.parts.node import NODE, npm_directory
from tests.parts.processes import Process, free_port, http_status, port_open, wait_until

README = (REPOSITORY / "README.md").read_text()
QUICK_START = [
    "pip install ./sdk '.[all]'",
    "perdure dev app.py",
    "curl http://127.0.0.1:8080/signup/ann/run/send --json '\"ann@example.com\"'",
]
EXAMPLE = [
    "docker compose up -d",
    "curl http://127.0.0.1:8080/Counter/ann/add --json '{\"amount\": 2}'",
    "echo '{\"amount\": 3}' | kcat -P -b localhost:9092 -t perdure.ingress -k ann"
    " -H perdure-service=Counter -H perdure-handler=add -H perdure-reply-to=replies",
    "kcat -C -b localhost:9092 -t replies -K : -o beginning -e -X isolation.level=read_committed",
    "echo '{\"amount\": 4}' | kcat -P -b localhost:9092 -t orders -k ann",
    "kcat -C -b localhost:9092 -t counts -K : -o beginning -e -X isolation.level=read_committed",
]
_BUILT = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")


def blocks(language: str) -> list[str]:
    """The blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """Every line of the shell blocks, in order."""
    return [line for block in blocks("sh") for line in block.splitlines() if line]


def test_the_commands_are_these() -> None:
    """Each is run by a test of this file."""
    assert commands() == [
        *QUICK_START,
        "make demo",
        # Run by tests/deploy/test_topology.py, as processes, and by `make compose-test`.
        *EXAMPLE,
        "perdure serve",
        "perdure deployments register http://127.0.0.1:9080",
        "curl http://127.0.0.1:8080/Greeter/greet --json '\"Ann\"'",
        "perdure invocations list --all",
        "make test",
    ]
    assert "`make demo LOG=kafka`" in README


def test_a_service_fits_on_a_page() -> None:
    for language in ("python", "typescript", "java"):
        lines = [line for line in blocks(language)[-1].splitlines() if line.strip()]
        assert len(lines) <= 15, language


def test_every_link_to_a_page_leads_to_one() -> None:
    for page in re.findall(r"\]\(([^)#]+)", README):
        assert page.startswith("https://") or (REPOSITORY / page).exists(), page


def test_ci_runs_the_test_command() -> None:
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec make test"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", ["make demo", "make demo LOG=kafka"])
def test_the_demo(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), f"PYTHON={sys.executable}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every side effect happened once." in done.stdout
    assert "Command: GetPromise" in done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with what the README installs."""
    directory = tmp_path_factory.mktemp("installed")
    source = directory / "source"
    source.mkdir()
    for name in ("orchestrator", "sdk"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=_BUILT)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, source / name)
    venv.create(directory / "venv")
    programs = directory / "venv" / "bin"
    _give_libraries(next((directory / "venv" / "lib").glob("python*/site-packages")))
    arguments = shlex.split(QUICK_START[0])[1:]
    # Our own pip, and only what is run is compiled: that is most of the time it takes.
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    flags = ["--no-compile", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *arguments, *flags], cwd=source, check=True, timeout=400)
    return programs


def _give_libraries(place: Path) -> None:
    """Those that are declared, out of our own environment; pip finds them there. To fetch and to
    unpack them takes as long as all the rest."""
    wanted, seen = [Requirement("perdure-server[sql]")], set[str]()
    while wanted:
        asked = wanted.pop()
        library = distribution(asked.name)
        if library.name in seen:
            continue
        seen.add(library.name)
        for need in map(Requirement, library.requires or ()):
            marker = need.marker
            if not marker or any(marker.evaluate({"extra": one}) for one in ["", *asked.extras]):
                wanted.append(need)
        if not library.name.startswith("perdure"):
            tops = {file.parts[0] for file in library.files or ()} - {"..", "__pycache__"}
            for top in tops:
                (place / top).symlink_to(library.locate_file(top))


def python_greeter(installed: Path, directory: Path, port: int) -> list[str]:
    (directory / "greeter.py").write_text(blocks("python")[1])
    return [str(installed / "python"), "-m", "perdure", "greeter.py", "--port", str(port)]


def typescript_greeter(installed: Path, directory: Path, port: int) -> list[str]:
    (program,) = blocks("typescript")
    assert "port: 9080" in program
    (directory / "greeter.ts").write_text(program.replace("9080", str(port)))
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "node_modules").symlink_to(npm_directory() / "node_modules")
    return [str(NODE), "--disable-warning=ExperimentalWarning", "greeter.ts"]


@pytest.fixture(params=[python_greeter, typescript_greeter])
def greeter(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = request.param(installed, tmp_path, port)
    service = Process("greeter", command, cwd=tmp_path, log_dir=tmp_path)
    service.start()
    try:
        service.wait_ready(lambda: port_open(port), 30.0)
        yield f"http://127.0.0.1:{port}"
    finally:
        service.kill()


def test_the_service_in_java_compiles(tmp_path: Path) -> None:
    (program,) = blocks("java")
    needed("the compiler of Java", lambda: compile_service(program, tmp_path))
    assert (tmp_path / "Greeter.class").exists()


@pytest.mark.timeout(600)
def test_a_server_that_was_installed(installed: Path, greeter: str, tmp_path: Path) -> None:
    ingress, admin = free_port(), free_port()
    env = {"PERDURE_INGRESS": f"127.0.0.1:{ingress}", "PERDURE_ADMIN": f"127.0.0.1:{admin}"}
    perdure = str(installed / "perdure")
    server = Process("installed", [perdure, "serve"], env, cwd=tmp_path, log_dir=tmp_path)
    server.start()
    try:
        server.wait_ready(lambda: http_status(ingress, "/restate/health") == 200, 60.0)

        def run(*words: str) -> str:
            command = [perdure, "--admin", f"http://127.0.0.1:{admin}", *words]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        assert "The log's directory is in use" in run("explain", "PD0103")
        run("deployments", "register", greeter)
        json = {"content-type": "application/json", "accept": "application/json"}
        reply = http_request(
            f"127.0.0.1:{ingress}", "POST", "/Greeter/greet", b'"Ann"', json
        ).expect(200)
        assert reply.json() == "Hello Ann!"
        assert "Greeter" in run("invocations", "list", "--all")
        assert (tmp_path / ".perdure").is_dir()
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.mark.timeout(600)
def test_the_quick_start(installed: Path, tmp_path: Path) -> None:
    """The program and the commands of the README, but for the ports."""
    (tmp_path / "app.py").write_text(blocks("python")[0])
    ingress, admin, service = free_port(), free_port(), free_port()
    env = {"PERDURE_INGRESS": f"127.0.0.1:{ingress}", "PERDURE_ADMIN": f"127.0.0.1:{admin}"}
    command = [str(installed / "perdure"), *shlex.split(QUICK_START[1])[1:]]
    command += ["--service-port", str(service)]
    dev = Process("dev", command, env, cwd=tmp_path, log_dir=tmp_path)
    dev.start()
    try:
        dev.wait_ready(lambda: "; try\n" in dev.log_tail(), 60.0)
        assert f"curl http://127.0.0.1:{ingress}/signup/ann/run/send --json" in dev.log_tail()
        call = shlex.split(QUICK_START[2].replace(":8080/", f":{ingress}/"))
        done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=True)
        assert '"Accepted"' in done.stdout
        wait_until(lambda: "to ann@example.com: " in dev.log_tail(), 60.0, "the mail")
        assert dev.stop() == 0
    finally:
        dev.kill()
