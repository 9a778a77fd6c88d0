"""The rules that the Dockerfiles keep; `make compose-test` builds and runs the images."""

from __future__ import annotations

import fnmatch
import json
import runpy
import subprocess
import sys
import tomllib

import pytest

from orchestrator.config.options import read_options
from tests.parts.cache import REPOSITORY
from tests.parts.dockerfile import Stage, stages

SERVER = REPOSITORY / "deploy" / "Dockerfile"
EXAMPLE = REPOSITORY / "deploy" / "example" / "Dockerfile"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
OFFICIAL = ("python:3.13-slim", "scratch")


def last() -> Stage:
    return stages(SERVER)[-1]


def test_images_are_made_from_official_ones_only() -> None:
    for path in (SERVER, EXAMPLE):
        assert {stage.source for stage in stages(path)} <= set(OFFICIAL)


def test_the_last_stage_has_no_tools_and_runs_nothing() -> None:
    assert len(stages(SERVER)) == 2
    assert last().source == "scratch"
    assert not last().all("RUN")
    assert all(copied.startswith("--from=build ") for copied in last().all("COPY"))


def test_nobody_is_root() -> None:
    for path in (SERVER, EXAMPLE):
        user, group = stages(path)[-1].one("USER").split(":")
        assert int(user) > 1000 and int(group) > 1000


def test_signals_reach_the_server() -> None:
    """Both are lists, so that no shell stands between the engine and the process."""
    assert json.loads(last().one("ENTRYPOINT")) == ["perdure"]
    assert json.loads(last().one("CMD")) == ["serve"]
    assert last().one("STOPSIGNAL") == "SIGTERM"


def test_the_image_says_how_it_is_and_what_it_is() -> None:
    flags, _, command = last().one("HEALTHCHECK").partition("CMD ")
    assert json.loads(command) == ["perdure", "health"]
    assert "--interval=" in flags and "--start-period=" in flags
    labels = last().pairs("LABEL")
    assert labels["org.opencontainers.image.licenses"] == PROJECT["license"]
    assert labels["org.opencontainers.image.version"] == "${VERSION}"
    assert f"VERSION={PROJECT['version']}" in last().all("ARG")


def test_the_server_takes_the_variables_of_the_image() -> None:
    env = {k: v for k, v in last().pairs("ENV").items() if k.startswith("PERDURE_")}
    options = read_options([], env)
    assert str(options.server.data_dir) == last().one("VOLUME") == last().one("WORKDIR")
    ports = [f"0.0.0.0:{port}" for port in last().one("EXPOSE").split()]
    assert [env["PERDURE_INGRESS"], env["PERDURE_ADMIN"]] == ports


def test_what_is_copied_is_there_and_goes_to_the_engine() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines, "everything else stays here"
    copied = [source for rest in stages(SERVER)[0].all("COPY") for source in rest.split()[:-1]]
    for source in (one.rstrip("/") for one in copied):
        assert (REPOSITORY / source).exists(), source
        assert any(source == one or source.startswith(one + "/") for one in kept), source
    for one in (source for rest in stages(EXAMPLE)[0].all("COPY") for source in rest.split()[:-1]):
        assert (EXAMPLE.parent / one).exists(), one


def test_the_dependencies_are_those_of_the_project() -> None:
    script = REPOSITORY / "deploy" / "image" / "requirements.py"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["sql"], *extras["lambda"]]
    assert done.stdout.splitlines() == [one for one in needed if "perdure" not in one]


# What a query maps into memory, in an interpreter without the modules that the image lacks.
_QUERY = """
import sys
sys.modules["pyarrow._s3fs"] = sys.modules["pyarrow._flight"] = None
import datafusion, pyarrow.dataset, orchestrator.sql.answering
assert datafusion.SessionContext().sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]
print(open("/proc/self/maps").read())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the map of memory is Linux's")
def test_queries_load_nothing_that_is_trimmed() -> None:
    scope = runpy.run_path(str(REPOSITORY / "deploy" / "image" / "trim.py"), run_name="read")
    unused: tuple[str, ...] = scope["UNUSED"]
    done = subprocess.run(
        [sys.executable, "-c", _QUERY], capture_output=True, text=True, check=True
    )
    loaded = {line.split("/site-packages/")[-1] for line in done.stdout.splitlines()}
    assert any(name.startswith("pyarrow/libarrow.so") for name in loaded)
    assert [one for one in loaded if any(fnmatch.fnmatch(one, p) for p in unused)] == []


# What a call of a function reads of botocore's descriptions of APIs, with a role to assume.
_CALL = """
import os, sys
os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="s")
os.environ.update(AWS_EC2_METADATA_DISABLED="true")
os.environ.update(AWS_ENDPOINT_URL_STS="http://127.0.0.1:1", AWS_CONFIG_FILE=os.devnull)
sys.addaudithook(lambda event, args: event == "open" and print(args[0]))
from orchestrator.exchanges.aws import AwsLambda
from orchestrator.exchanges.functions import FunctionFailed
for role in ("", "arn:aws:iam::123456789012:role/r"):
    try:
        AwsLambda("http://127.0.0.1:1").call("arn:aws:lambda:eu-west-1:1:function:f:1", role, b"{}")
    except FunctionFailed as failed:
        assert "127.0.0.1:1" in str(failed), failed
"""


def test_functions_need_no_api_that_is_trimmed() -> None:
    scope = runpy.run_path(str(REPOSITORY / "deploy" / "image" / "trim.py"), run_name="read")
    done = subprocess.run([sys.executable, "-c", _CALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = [
        line.split("/botocore/data/")[1] for line in done.stdout.splitlines() if "/data/" in line
    ]
    apis = {one.split("/")[0] for one in read if "/" in one}
    assert {"lambda", "sts"} <= apis <= set(scope["APIS"])
