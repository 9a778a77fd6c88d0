"""Every limit and constant of the engine, with its unit and its reason."""

PAYLOAD_BYTES_MAX = 32 * 1024 * 1024  # default of one payload or service message
MESSAGE_HEADROOM_BYTES = 1024 * 1024  # envelope, headers and effects around one payload
SERVICE_FRAME_BYTES = 256 * 1024  # around one payload in a message of a service: names, failures
TURN_MESSAGE_BYTES = 1024 * 1024  # a turn's message is split near this
HEADERS_BYTES_MAX = 256 * 1024  # request headers kept with an invocation, in sum
HEADER_COUNT_MAX = 1_000  # request headers kept with an invocation
TRACESTATE_BYTES_MAX = 512  # what the standard asks everyone to carry; more may be dropped
KEY_BYTES_MAX = 4 * 1024  # object key, idempotency key, promise name: they become row keys
NAME_BYTES_MAX = 512  # service and handler names
LISTEN_BACKLOG_COUNT = 1_024  # connections that the kernel keeps until they are accepted
DRAIN_LOOK_S = 0.02  # between two looks whether answers under way are out

REPLY_RETENTION_MS = 60_000  # a waiting client finds its result at least this long
REQUEST_DEDUPE_MS = 600_000  # the same request id is known at least this long
RETENTION_FINE_MS = 1_000  # bucket of retentions below an hour
RETENTION_COARSE_MS = 60_000  # bucket of the longer ones
RETENTION_COARSE_FROM_MS = 3_600_000

LISTING_FINE_MS = 60_000  # bucket of listings, of retentions below an hour
LISTING_COARSE_MS = 3_600_000  # of the longer ones
LISTED_COUNT_MAX = 1_024  # invocations of one listing: about 64 KiB
LISTED_KEYS_BYTES_MAX = 64 * 1024  # of their object keys
LISTINGS_DROPPED_MAX = 8  # listings one purge record may remove: it removes 500 invocations

INPUT_INLINE_BYTES = 1024  # past this an input is a row of its own, so that no spill rewrites it
RESULT_INLINE_BYTES = 1024  # the same for a result
RESULT_ONCE_BYTES = 64 * 1024  # past this it stays in the journal, if that is kept as long
JOURNAL_INLINE_BYTES = 16 * 1024  # past this the journal's tail moves to a chunk row
DETAIL_INLINE_COUNT = 128  # values of a kind an invocation's row holds; more go to pages
DETAIL_PAGE_COUNT = 128  # numbers of one page
NAME_PAGES = 1_024  # pages of signals by name, of one invocation
SIGNALS_MAX = 100_000  # an invocation may be given between two flushes of its attempts
SIGNALS_BYTES_MAX = 256 * 1024 * 1024  # of their frames: the one that reaches it is taken whole
WAITERS_INLINE_COUNT = 16  # callers the row they wait for holds; more are rows of their own
FUTURE_DIRECT_COUNT = 16  # futures of fewer leaves are looked through at each completion
RESOLVERS_LEAVES_MAX = 400_000  # leaves of larger ones that a partition remembers: about 60 MB
STATE_INLINE_BYTES = 8 * 1024  # past this the state of a key moves to rows of its own
STATE_KEYS_MAX = 10_000  # keys of a state that one record may compare or replace
STATE_LISTED_MAX = 50_000  # keys one record may list; of a state of very many bytes STATE_KEYS_MAX
STATE_COMPARED_BYTES_MAX = 64 * 1024 * 1024  # of a state that one record may compare
STATE_SENT_COUNT_MAX = 5_000  # values that go along with an attempt; others are asked for
CHORE_STEP_COUNT = 200  # rows one follow-up record may touch
CHORE_STEP_BYTES = 4 * 1024 * 1024  # of copies of an outcome, or records for topics, one makes
INBOX_STEP_COUNT = 1_000  # places of inboxes other records may look at, and values they patch in
INBOX_PLACE_BYTES = 4 * 1024  # of a patched value, which cost about as much as one of these
PURGE_STEP_COUNT = 500  # invocations one purge record may remove
FAILURE_MESSAGE_CHARS_MAX = 1024  # why an attempt failed, of each of the events kept
FAILURE_STACKTRACE_CHARS_MAX = 4 * 1024  # of the latest only; the service has logged the rest
EVENTS_KEPT_COUNT = 10  # latest life-cycle events kept with an invocation
IDLE_DELAY_MS = 50  # before a handler is asked again whose suspension nobody ends; then twice
IDLE_DELAY_MS_MAX = 10_000
IDLE_LOOKED_ROWS = 64  # of its journal, for the call it waits for: 1 MiB and more of it
FUTURE_LOOKED_COUNT = 256  # leaves of a future of which each is asked whether it may come

TOPIC_LANES_KEPT_COUNT = 1_024  # past this a lane to a topic goes when it is empty
FEED_LANE_BYTES_MAX = 256 * 1024 * 1024  # of a public feed that may wait in a partition: it stops
LETTER_BYTES_MAX = 64 * 1024 * 1024  # of dead letters of a subscription in a partition, or of sends
SLOTS_MAX = 10_000  # `max_in_flight` of a source at most: its row keeps their offsets

POSITION_INDEX_BITS = 20  # a message holds fewer than 2**20 records
