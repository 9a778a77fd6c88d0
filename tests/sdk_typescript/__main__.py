"""`python -m tests.sdk_typescript [--on restate]`: the TypeScript SDK's own end-to-end suite.

What follows `--` is for vitest: a file, or `-t` and part of a test's name. Exits with 1 if a test
fails. The suite is fetched from the SDK's repository; `--origin` names another clone of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.parts.cache import PartUnavailable
from tests.parts.client import Client, eventually
from tests.parts.restate_server import RestateServer
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.sdk_typescript.suite import REPOSITORY, Services, suite_directory, vitest_command

_SUITE_S_MAX = 1_200
_SERVERS = {"perdure": PerdureServer, "restate": RestateServer}


def _shown(report: dict[str, Any]) -> str:
    lines = []
    for file in report["testResults"]:
        for test in file["assertionResults"]:
            if test["status"] != "passed":
                why = (test["failureMessages"] or [""])[0].partition("\n")[0]
                lines.append(f"{test['status']}  {test['fullName']}  {why}")
    total, passed = report["numTotalTests"], report["numPassedTests"]
    return "\n".join([*lines, f"{total} tests, {passed} passed, {report['numFailedTests']} failed"])


def _run(server_name: str, suite: Path, asked: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sdk-typescript-") as name:
        directory = Path(name)
        services = Services(suite, directory).start()
        server = _SERVERS[server_name](directory, ServerOptions()).start()
        try:
            client = Client(server.ingress, server.admin)
            eventually(lambda: client.register(services.uri), 60)
            report = directory / "report.json"
            env = {
                **os.environ,
                "RESTATE_INGRESS_URL": server.ingress,
                "RESTATE_ADMIN_URL": server.admin,
            }
            command = vitest_command(report, asked)
            subprocess.run(command, cwd=suite, env=env, timeout=_SUITE_S_MAX, check=False)
            found: dict[str, Any] = json.loads(report.read_text())
            return found
        finally:
            server.stop()
            services.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sdk_typescript", description=__doc__)
    parser.add_argument("--on", choices=sorted(_SERVERS), default="perdure")
    parser.add_argument("--origin", default=REPOSITORY, help="a clone of the SDK's repository")
    parser.add_argument("vitest", nargs="*", help="a file of tests, or flags behind --")
    asked = parser.parse_args()
    try:
        suite = suite_directory(asked.origin)
    except PartUnavailable as error:
        sys.exit(f"the suite cannot be had (--origin names another clone): {error}")
    report = _run(asked.on, suite, asked.vitest)
    print(_shown(report))
    sys.exit(0 if report["success"] and report["numTotalTests"] else 1)


if __name__ == "__main__":
    main()
