"""Every command there is, by name; the module of one is loaded when it is used."""

from typing import Final

import click

from orchestrator.cli.commands import Known, Root

_CLI: Final = "orchestrator.cli."
KNOWN: Final = {
    "serve": Known("", "start the server"),
    "dev": Known("", "run an app and a server while you write it"),
    "config": Known("", "the settings serve would run with"),
    "deployments": Known(_CLI + "deployments", "endpoints that serve services"),
    "services": Known(_CLI + "services", "what is deployed, by name"),
    "invocations": Known(_CLI + "invocations", "what runs, waits, or has completed"),
    "invoke": Known(_CLI + "calling", "call a handler, and wait for its result"),
    "send": Known(_CLI + "calling", "have a handler called, and do not wait for it"),
    "attach": Known(_CLI + "calling", "wait for the result of an invocation"),
    "output": Known(_CLI + "calling", "the result of an invocation, if there is one already"),
    "replay": Known(_CLI + "replay", "whether the code of an app still replays journals"),
    "state": Known(_CLI + "state", "the state of objects and workflows"),
    "kafka-clusters": Known(
        _CLI + "kafka_clusters", "Kafka clusters that topics are read from and sent to"
    ),
    "subscriptions": Known(_CLI + "subscriptions", "topics whose records invoke a handler"),
    "feeds": Known(_CLI + "feeds", "public topics of what happens: invocations, changes of state"),
    "dlq": Known(_CLI + "dead_letters", "dead letters: records that could not be used, or sent"),
    "sql": Known(_CLI + "sql", "a query over the introspection tables"),
    "status": Known(_CLI + "status", "how a server does: partitions, log, lag, memory"),
    "health": Known(_CLI + "health", "whether the server takes new work"),
    "whoami": Known(_CLI + "whoami", "which server is asked, and who said so"),
    "profiles": Known(_CLI + "profiles", "addresses of servers by name"),
    "explain": Known(_CLI + "explain", "what an error code means and what to do"),
    "completion": Known(_CLI + "completion", "the script that completes words in your shell"),
}


def root() -> Root:
    made = Root("Durable execution on the Kafka you already run.", KNOWN)
    made.params.append(
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_say_version,
            help="print the version",
        )
    )
    return made


def _say_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from orchestrator.runtime.version import own_version

        print(f"perdure {own_version()}")
        context.exit()
