"""Whether a request is taken, and what it means, as plain values and free of any transport.

Used by every face through which invocations come: HTTP, commands of handlers, records of topics.
A face reads its own form (paths, headers, protobuf), asks here, and maps a `Refusal` to its own
errors. Pure.
"""
