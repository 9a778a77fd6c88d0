"""The README's first program in Python is served, and does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import perdure
from tests.bench.first_run import first_program
from tests.parts.client import Client as Admin
from tests.parts.client import fresh
from tests.parts.processes import Process, free_port, port_open, wait_until
from tests.parts.server import PerdureServer


def test_the_program_of_the_readme_runs(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(first_program())
    port = free_port()
    command = [sys.executable, "-m", "perdure", str(tmp_path / "app.py")]
    service = Process("service", [*command, "--port", str(port)], {}, log_dir=tmp_path)
    server = PerdureServer(tmp_path)
    try:
        service.start()
        server.start()
        service.wait_ready(lambda: port_open(port), 60)
        Admin(server.ingress, server.admin).register(f"http://127.0.0.1:{port}")
        with perdure.Client(server.ingress, admin_url=server.admin) as client:
            key = fresh()
            workflow = client.workflow("signup", key)
            handle = workflow.submit("ann@example.com")
            assert workflow.submit("again").id == handle.id
            mail = re.compile(r"to ann@example.com: (\S+)")
            wait_until(lambda: mail.search(service.log_tail()) is not None, 30, "a mail")
            found = mail.search(service.log_tail())
            assert found is not None and handle.status() == "running"
            client.call("signup/click", found.group(1), key=key)
            assert workflow.attach() is True
            assert handle.output() is True and handle.status() == "succeeded"
            other = client.workflow("signup", fresh()).submit("bob@example.com")
            wait_until(lambda: "bob@" in service.log_tail(), 30, "another mail")
            other.cancel()
            wait_until(lambda: other.status() == "failed", 30, "it is cancelled")
    finally:
        service.stop(10)
        server.stop()
