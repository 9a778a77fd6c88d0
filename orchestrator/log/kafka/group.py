"""Who should lead: membership in the group of the log topic, as a static member that never reads.

A static member (its instance id is the name of the node) that comes back gets its partitions back
at once. The other side of it: a second process under the same name takes the place of the first.

Several nodes share the partitions. Where a cluster may have one node only (`one_node`, a policy of
`node`) each looks for others before it joins. Two that start at one moment see nobody and share the
partitions, so each looks again after an assignment until it is alone; the smaller name stays.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from orchestrator.kafka.errors import REQUEST_S, error_of, is_about_rights, refusal_of
from orchestrator.kafka.serve import Served
from orchestrator.log.kafka.clients import Clients
from orchestrator.log.kafka.options import OWN_DIRECTORY, KafkaOptions
from orchestrator.log.port import LogRefused

_LOOK_AGAIN_S: Final = 0.2
_UUID_CHARS: Final = len("-00000000-0000-0000-0000-000000000000")
_LOG = logging.getLogger("perdure.log.kafka")


class Other(NamedTuple):
    """Another process in the group; one that is no node has no instance id."""

    instance_id: str
    client_id: str

    @property
    def name(self) -> str:
        return self.instance_id or self.client_id


def other_members(admin: AdminClient, options: KafkaOptions, client_id: str) -> list[Other]:
    """Who else is in the group; raises like `ensure_topics`. A group that this user may not see
    counts as empty; joining it reports the missing right.

    By the deprecated `list_groups`: what should take its place, describe_consumer_groups, aborts
    the process when a broker does not answer (librdkafka's issue 4605).
    """
    try:
        groups = admin.list_groups(options.group, timeout=REQUEST_S)
        members = [member for group in groups for member in _members(group)]
    except KafkaException as raised:
        refusal = refusal_of(error_of(raised), f"describe group {options.group}")
        if refusal is not None:
            raise refusal from raised
        raise
    return sorted(
        Other(_instance_of(member), member.client_id)
        for member in members
        if member.client_id != client_id
    )


def _members(group: Any) -> list[Any]:
    if group.error is not None:
        raise KafkaException(group.error)
    return list(group.members)


def _instance_of(member: Any) -> str:
    """The broker names a member after its instance, or after its client, and a UUID."""
    name: str = member.id[:-_UUID_CHARS]
    return "" if name == member.client_id else name


def await_sole_member(
    admin: AdminClient, options: KafkaOptions, client_id: str, cancelled: Callable[[], bool]
) -> None:
    """Wait for the session of a node that has died; refuse to start beside one that lives."""
    give_up = time.monotonic() + options.session_timeout_ms / 1000 + 2
    is_said = False
    while (others := other_members(admin, options, client_id)) and not cancelled():
        if not is_said:
            is_said = True
            _LOG.info(
                "waiting for the session of node %s to end, up to %d s: it runs, or it died with"
                " another data directory",
                others[0].name,
                options.session_timeout_ms // 1000,
            )
        if time.monotonic() > give_up:
            raise _other_node(options, others[0].name)
        time.sleep(_LOOK_AGAIN_S)


def _other_node(options: KafkaOptions, other: str) -> LogRefused:
    stop = f"Stop it, or give this one another --cluster{OWN_DIRECTORY}"
    if other == options.node_name:
        names = "." if options.one_node else ", or each a --node-name of its own."
        return LogRefused(
            "PD0118",
            f"A node named {other} runs on cluster {options.cluster} with another data directory.",
            f"{stop}{names}",
        )
    return LogRefused(
        "PD0117",
        f"Node {other} runs on cluster {options.cluster}, and a cluster has one node.",
        f"{stop}.",
    )


class Membership:
    """This node in the group; every method is called on the event loop."""

    def __init__(
        self,
        options: KafkaOptions,
        clients: Clients,
        assigned: Callable[[int], None],
        revoked: Callable[[int], None],
    ) -> None:
        self._options = options
        self._clients = clients
        self._tell_assigned = assigned
        self._tell_revoked = revoked
        self._closed = False
        self._is_silent = False
        self._was_member = False
        self._said = ""  # what keeps it from the group
        self.partitions: set[int] = set()
        self._must_look = True  # whether others are in the group
        self._looking = False
        self._others: list[Other] = []
        self.refused: LogRefused | None = None
        self._consumer = clients.member(self._client_error)
        self._consumer.subscribe(
            [options.log_topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        self._served = Served(self._consumer, clients.client_id, self._serve, self._client_error)

    def serve(self) -> None:
        """Serve now: something may have come before the wake-ups were registered."""
        self._served.serve()

    def _serve(self) -> None:
        """Let librdkafka call back; there are no messages, since every partition is paused."""
        while not self._closed:
            message = self._consumer.poll(0)
            if message is None:
                return
            if (error := message.error()) is not None:
                self._client_error(error)

    def _client_error(self, error: KafkaError) -> None:
        fatal = error.fatal() or error.code() == KafkaError._FATAL
        if fatal and "fenced" in error.str():
            self._end(_other_node(self._options, self._options.node_name))
            return
        refusal = refusal_of(error, f"join group {self._options.group}")
        if refusal is not None and is_about_rights(error) and self._was_member:
            self._log_once(str(refusal))
        elif refusal is not None:
            self._end(refusal)
        elif fatal:
            self._end(LogRefused("PD0120", f"The group was lost: {error.str()}.", "Start again."))

    def _log_once(self, reason: str) -> None:
        """A right that is revoked may come back: librdkafka goes on asking."""
        if reason != self._said:
            _LOG.error("%s", reason)
            self._said = reason

    def _end(self, refusal: LogRefused) -> None:
        """This node must not lead any more, and does not join again."""
        if self.refused is None:
            _LOG.error("%s", refusal)
            self.refused = refusal
            self._give_up(sorted(self.partitions))

    def check_for_others(self, threads: Executor) -> None:
        """Once a second: has another node joined at the same time?"""
        if not self._options.one_node:
            return
        if self._must_look and not self._looking and self.refused is None:
            self._must_look, self._looking = False, True
            asked = asyncio.get_running_loop().run_in_executor(threads, self._ask_for_others)
            asked.add_done_callback(self._others_found)

    def _ask_for_others(self) -> list[Other] | None:
        try:
            return other_members(self._clients.admin, self._options, self._clients.client_id)
        except (KafkaException, LogRefused):  # joining the group reports what is wrong
            return None

    def _others_found(self, asked: "asyncio.Future[list[Other] | None]") -> None:
        self._looking = False
        if self._closed or self.refused is not None or asked.cancelled():
            return
        found = asked.result()
        if found == []:
            return
        self._must_look = True
        others = found or []
        if others and others != self._others:
            self._others = others
            _LOG.warning("%s has joined cluster %s too", others[0].name, self._options.cluster)
        smaller = [one for one in others if "" < one.instance_id < self._options.node_name]
        if smaller:
            self._end(_other_node(self._options, smaller[0].name))
            self._consumer.unsubscribe()  # leaves at once, so that the other one has them all

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._must_look = self._was_member = True
        self._said = ""
        places = [TopicPartition(p.topic, p.partition, 0) for p in partitions]
        consumer.incremental_assign(places)
        consumer.pause(places)
        if self._closed or self._is_silent or self.refused is not None:
            return
        for place in sorted(places, key=_number):
            self.partitions.add(place.partition)
            self._tell_assigned(place.partition)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        self._give_up(sorted(p.partition for p in partitions))

    def stop_reporting(self) -> None:
        """The log is gone: report no assignments any more."""
        self._is_silent = True

    def _give_up(self, numbers: list[int]) -> None:
        if self._closed or self._is_silent:
            return
        for number in numbers:
            if number in self.partitions:
                self.partitions.discard(number)
                self._tell_revoked(number)

    async def close(self) -> None:
        """Close without leaving the group: a static member that comes back soon gets its
        partitions back."""
        self._closed = True
        self._served.close()
        await asyncio.to_thread(self._consumer.close)


def _number(place: TopicPartition) -> int:
    return int(place.partition)
