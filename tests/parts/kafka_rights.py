"""Rules of a broker's authorizer: what everybody may still do with a topic, a group, a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.parts.processes import wait_until

AUTHORIZER: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""Options of a broker where everybody may do everything as long as no rule says otherwise."""


def allow_only(bootstrap: str, kind: str, name: str, operations: Iterable[str]) -> None:
    """Only these operations, and others allowed before, are allowed on this topic or group."""
    _set_rules(bootstrap, [_rule(kind, name, one, "ALLOW") for one in sorted(operations)])


def deny(bootstrap: str, kind: str, name: str, operation: str) -> None:
    """This operation is denied, also where another that is allowed would imply it."""
    all_else = _rule(kind, name, "ALL", "ALLOW")
    _set_rules(bootstrap, [all_else, _rule(kind, name, operation, "DENY")])


def allow_again(bootstrap: str, name: str) -> None:
    """Take all rules on this name back."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # kept until all is answered
    for future in admin.delete_acls([_all_of(name)]).values():
        future.result()


@contextmanager
def no_topic_may_be_made(bootstrap: str) -> Iterator[None]:
    """Meanwhile nobody may create a topic; all else stays allowed."""
    cluster = "kafka-cluster"
    deny(bootstrap, "BROKER", cluster, "CREATE")
    try:
        yield
    finally:
        allow_again(bootstrap, cluster)


def _rule(kind: str, name: str, operation: str, permission: str) -> AclBinding:
    return AclBinding(
        ResourceType[kind],
        name,
        ResourcePatternType.LITERAL,
        "User:ANONYMOUS",
        "*",
        AclOperation[operation],
        AclPermissionType[permission],
    )


def _set_rules(bootstrap: str, rules: list[AclBinding]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})  # kept until all is answered
    for future in admin.create_acls(rules).values():
        future.result()
    # The controller has them; the broker enforces them a moment later.
    wait_until(lambda: set(rules) <= set(admin.describe_acls(_all_of("")).result()), 60.0, "rules")


def _all_of(name: str) -> AclBindingFilter:
    """Every rule on this name; "" is any name."""
    return AclBindingFilter(
        ResourceType.ANY,
        name or None,  # type: ignore[arg-type]
        ResourcePatternType.ANY,
        None,  # type: ignore[arg-type]  # any principal
        None,  # type: ignore[arg-type]  # from any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
