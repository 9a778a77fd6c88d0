"""Who is in a consumer group, by a question that is safe to ask.

It is the deprecated `list_groups`: what should take its place, describe_consumer_groups, aborts the
process when a broker does not answer (librdkafka's issue 4605).
"""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def members_now(admin: AdminClient, group: str, timeout_s: float) -> tuple[str, ...]:
    """Ids of the clients that are in it. It blocks; raises KafkaException."""
    found = []
    for one in admin.list_groups(group, timeout=timeout_s):
        if one.error is not None:
            raise KafkaException(one.error)
        found += [str(member.client_id) for member in one.members]
    return tuple(sorted(set(found)))
