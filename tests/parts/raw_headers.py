"""Produces a record whose headers have any bytes as names: clients of other languages can, ours
cannot."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import confluent_kafka

_PRODUCER: Final = 0  # RD_KAFKA_PRODUCER
_END, _TOPIC, _VALUE, _KEY, _FLAGS, _HEADERS = 0, 1, 4, 5, 7, 10  # RD_KAFKA_VTYPE_…
_COPY: Final = 2  # RD_KAFKA_MSG_F_COPY
_ERROR_BYTES: Final = 512


def produce_raw(
    bootstrap: str,
    topic: str,
    key: bytes,
    value: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    timeout_s: float = 30.0,
) -> None:
    """Written when this returns."""
    library = _library()
    error = ctypes.create_string_buffer(_ERROR_BYTES)
    options = ctypes.c_void_p(library.rd_kafka_conf_new())
    for name, text in ((b"bootstrap.servers", bootstrap.encode()), (b"acks", b"all")):
        library.rd_kafka_conf_set(options, name, text, error, _ERROR_BYTES)
    producer = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, options, error, _ERROR_BYTES))
    assert producer, error.value
    made = ctypes.c_void_p(library.rd_kafka_headers_new(len(headers)))
    for name, content in headers:
        library.rd_kafka_header_add(made, name, len(name), content, len(content))
    code = library.rd_kafka_producev(
        producer,
        *(ctypes.c_int(_TOPIC), ctypes.c_char_p(topic.encode())),
        *(ctypes.c_int(_VALUE), ctypes.c_char_p(value), ctypes.c_size_t(len(value))),
        *(ctypes.c_int(_KEY), ctypes.c_char_p(key), ctypes.c_size_t(len(key))),
        *(ctypes.c_int(_FLAGS), ctypes.c_int(_COPY)),
        *(ctypes.c_int(_HEADERS), made),
        ctypes.c_int(_END),
    )
    assert code == 0, code
    assert library.rd_kafka_flush(producer, int(timeout_s * 1000)) == 0
    library.rd_kafka_destroy(producer)


def _library() -> Any:
    package = Path(confluent_kafka.__file__).parent
    found = [
        *package.parent.glob("confluent_kafka.libs/librdkafka-*"),
        *package.glob(".dylibs/librdkafka*"),
    ]
    library = ctypes.CDLL(str(found[0]))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = ctypes.c_void_p
    sized = (ctypes.c_char_p, ctypes.c_ssize_t)
    library.rd_kafka_header_add.argtypes = (ctypes.c_void_p, *sized, *sized)
    return library
