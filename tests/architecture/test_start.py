"""What a start has to import: every server, and every test that starts one, pays for it."""

import subprocess
import sys

LIBRARIES = {
    "anyio",  # of starlette
    "click",  # of uvicorn
    "httptools",
    "msgspec",
    "ngh2",
    "orchestrator",
    "orjson",
    "perdure",
    "rocksdict",
    "starlette",
    "typing_extensions",
    "uvicorn",
    "uvloop",
}
MODULES_MAX = 795
_SERVE = """
import sys
import orchestrator.cli.serve, orchestrator.admin.app, orchestrator.node.admin_server
print("\\n".join(sys.modules))
"""


def test_a_start_imports_what_it_needs() -> None:
    """Clients of Kafka, SQL and signatures come with the options that want them."""
    run = subprocess.run([sys.executable, "-c", _SERVE], capture_output=True, text=True, check=True)
    modules = run.stdout.split()
    names = {name.partition(".")[0] for name in modules if not name.startswith("_")}
    assert names - set(sys.stdlib_module_names) - {"cython_runtime", "sitecustomize"} <= LIBRARIES
    assert len(modules) <= MODULES_MAX, len(modules)
