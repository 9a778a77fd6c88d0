"""`perdure whoami`: which server is asked, and who said so."""

from typing import Any

from orchestrator.cli.commands import Asked, single
from orchestrator.cli.exits import CliError
from orchestrator.cli.output import print_fields, print_json


@single("whoami", "Which server commands ask, who named it, and what answers there.")
def command(asked: Asked) -> int:
    server = asked.server
    shown: dict[str, Any] = {
        "admin": asked.admin.address,
        "named_by": server.source,
        "profile": server.profile or None,
        "ingress": server.ingress or None,
        "cluster": None,
        "version": None,
        "problem": None,
    }
    code = 0
    try:
        found = asked.admin.get("/version")
        shown["version"] = found["perdure_version"]
        shown["ingress"] = server.ingress or found["ingress_endpoint"]
        shown["cluster"] = asked.admin.get("/cluster-health")["cluster_name"]
    except CliError as error:
        shown["problem"], code = str(error), error.exit_code
    if asked.json:
        print_json(shown)
    else:
        print_fields(shown)
    return code
