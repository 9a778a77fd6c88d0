"""Every code of an operating error, in one table; each has a page in docs/errors.

Codes are stable and never reused. The third digit names the room: 0 settings and commands, 1 the
log, 2 the node, 3 the processor, 4 the invoker, 5 the metadata, 6 topics of users, 7 the admin API.
A new code is a line here and a page `docs/errors/PDnnnn.md` that starts with `# PDnnnn: title`.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class ErrorCode(NamedTuple):
    """`retryable`: the server tries again by itself, and goes on once the cause is gone."""

    code: str
    title: str
    retryable: bool = False


_TABLE: Final = (
    ErrorCode("PD0001", "A setting cannot be used"),
    ErrorCode("PD0002", "There is no such setting"),
    ErrorCode("PD0003", "An error of the software itself"),
    ErrorCode("PD0103", "The log's directory is in use"),
    ErrorCode("PD0104", "The embedded log has another number of partitions"),
    ErrorCode("PD0105", "The embedded log has another format"),
    ErrorCode("PD0106", "The files of the log cannot be opened"),
    ErrorCode("PD0107", "The embedded log cannot be written any more"),
    ErrorCode("PD0108", "The embedded log is damaged"),
    ErrorCode("PD0109", "The log is gone"),
    ErrorCode("PD0110", "A Kafka option that the engine owns"),
    ErrorCode("PD0111", "Kafka options that cannot be used"),
    ErrorCode("PD0112", "The brokers refuse the credentials"),
    ErrorCode("PD0113", "A permission is missing"),
    ErrorCode("PD0114", "A topic has another number of partitions"),
    ErrorCode("PD0115", "A topic would lose data"),
    ErrorCode("PD0116", "The topics cannot be created"),
    ErrorCode("PD0117", "Another node runs on this cluster"),
    ErrorCode("PD0118", "The node's name is taken"),
    ErrorCode("PD0119", "The brokers are too old"),
    ErrorCode("PD0120", "Membership of the group was lost"),
    ErrorCode("PD0201", "The event loop stalled"),
    ErrorCode("PD0202", "The data directory cannot be used"),
    ErrorCode("PD0203", "The data directory is in use"),
    ErrorCode("PD0204", "A file of the data directory cannot be read"),
    ErrorCode("PD0205", "The data directory has another format"),
    ErrorCode("PD0206", "The data directory belongs to another log"),
    ErrorCode("PD0207", "The data directory has another number of partitions"),
    ErrorCode("PD0208", "The metadata could not be checkpointed", retryable=True),
    ErrorCode("PD0209", "The address is taken"),
    ErrorCode("PD0210", "Too few files may be open"),
    ErrorCode("PD0211", "The limit of open files is too low"),
    ErrorCode("PD0212", "There is no broker for development"),
    ErrorCode("PD0300", "A message of the log cannot be decoded"),
    ErrorCode("PD0301", "A record cannot be applied"),
    ErrorCode("PD0302", "An action failed", retryable=True),
    ErrorCode("PD0303", "The store of a partition failed", retryable=True),
    ErrorCode("PD0304", "The log begins after the store ends"),
    ErrorCode("PD0305", "A partition cannot be served"),
    ErrorCode("PD0306", "A record is too large for the log"),
    ErrorCode("PD0307", "A journal is longer than it may be"),
    ErrorCode("PD0308", "The state was written by another version"),
    ErrorCode("PD0309", "A state with too many keys to list"),
    ErrorCode("PD0401", "The request identity key cannot be used"),
    ErrorCode("PD0501", "The beginning of the metadata is gone"),
    ErrorCode("PD0502", "Metadata that this server cannot read"),
    ErrorCode("PD0601", "Options of a broker cluster that cannot be used"),
    ErrorCode("PD0602", "A broker cluster is out of reach", retryable=True),
    ErrorCode("PD0603", "A broker cluster refuses the connection"),
    ErrorCode("PD0604", "A permission on a broker cluster is missing"),
    ErrorCode("PD0605", "A broker cluster refuses to make a topic"),
    ErrorCode("PD0606", "A transaction in a topic does not end", retryable=True),
    ErrorCode("PD0611", "There is no such broker cluster"),
    ErrorCode("PD0612", "A broker cluster is in use"),
    ErrorCode("PD0613", "The name is taken"),
    ErrorCode("PD0614", "There is no such topic"),
    ErrorCode("PD0615", "A topic of the engine itself"),
    ErrorCode("PD0616", "A point that nothing can start from"),
    ErrorCode("PD0617", "There is no such subscription"),
    ErrorCode("PD0619", "The consumer group is used by others"),
    ErrorCode("PD0620", "A feed that cannot be switched"),
    ErrorCode("PD0621", "No identity of a log"),
    ErrorCode("PD0622", "Too many clients would read topics"),
    ErrorCode("PD0631", "There is no such dead letter"),
    ErrorCode("PD0632", "A dead letter that cannot be done again like this"),
    ErrorCode("PD0701", "A request that the admin API does not take"),
    ErrorCode("PD0702", "A host or origin that the admin API does not answer"),
    ErrorCode("PD0703", "There is nothing of this name"),
    ErrorCode("PD0704", "Its state does not allow this"),
    ErrorCode("PD0705", "A request that is too large or too slow"),
    ErrorCode("PD0706", "The server cannot do this now"),
)

CODES: Final[Mapping[str, ErrorCode]] = {one.code: one for one in _TABLE}
