"""Rules of a broker's authorizer: what everybody may still do with a topic or a group."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)


def allow_only(admin: AdminClient, kind: str, name: str, operations: Iterable[str]) -> None:
    """Only these operations are allowed on this topic or group from now on."""
    rules = [
        AclBinding(
            ResourceType[kind],
            name,
            ResourcePatternType.LITERAL,
            "User:ANONYMOUS",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for operation in sorted(operations)
    ]
    for future in admin.create_acls(rules).values():
        future.result()


def allow_again(admin: AdminClient, name: str) -> None:
    """Take all rules on this name back."""
    every = AclBindingFilter(
        ResourceType.ANY,
        name,
        ResourcePatternType.LITERAL,
        None,  # type: ignore[arg-type]  # any principal
        None,  # type: ignore[arg-type]  # from any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for future in admin.delete_acls([every]).values():
        future.result()
