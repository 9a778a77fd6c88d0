"""What a start has to import: every server, and every test that starts one, pays for it."""

import subprocess
import sys

from tests.architecture.sources import name_of, source_files

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
MODULES_MAX = 800 if sys.version_info < (3, 14) else 815  # its own library has more parts
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


def test_the_messages_of_the_wire_are_structs() -> None:
    """Every start makes these classes: a dataclass takes twenty times as long as a struct."""
    files = [path for path in source_files() if "perdure/wire/" in name_of(path)]
    assert len(files) > 10
    assert [name_of(path) for path in files if "dataclass" in path.read_text()] == []
