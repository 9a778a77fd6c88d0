"""Attempts that wait behind many others, as bytes: about 40 each, where one that can be found takes
ten times that. An attempt in here cannot be found: if it is over, or waits twice, that is noticed
when it is taken out."""

import struct
from collections import OrderedDict, deque
from typing import Final

from orchestrator.invoker.port import LedPartition

PAGE_BYTES: Final = 16 << 10
_NUMBERS: Final = struct.Struct(">QI")  # incarnation, attempt

Owed = list[tuple[bytes, int, int]]
"""Id, incarnation and attempt of each, in the order in which they came."""


class Overflow:
    """First come, first served within a partition; partitions take turns, page by page."""

    __slots__ = ("_pages", "count")

    def __init__(self) -> None:
        self.count = 0
        self._pages: OrderedDict[LedPartition, deque[bytearray]] = OrderedDict()

    def add(
        self, source: LedPartition, invocation_id: bytes, incarnation: int, attempt: int
    ) -> None:
        pages = self._pages.get(source)
        if pages is None:
            pages = self._pages[source] = deque((bytearray(),))
        elif len(pages[-1]) >= PAGE_BYTES:
            pages.append(bytearray())
        page = pages[-1]
        page.append(len(invocation_id))
        page += invocation_id
        page += _NUMBERS.pack(incarnation, attempt)
        self.count += 1

    def take_page(self) -> tuple[LedPartition, Owed]:
        """The next page; there must be one."""
        source, pages = self._pages.popitem(last=False)
        owed = _read(pages.popleft())
        self.count -= len(owed)
        if pages:
            self._pages[source] = pages
        return source, owed

    def forget(self, source: LedPartition) -> None:
        """All of a partition."""
        for page in self._pages.pop(source, ()):
            self.count -= len(_read(page))


def _read(page: bytearray) -> Owed:
    data = bytes(page)
    found = []
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        found.append((data[at + 1 : end], *_NUMBERS.unpack_from(data, end)))
        at = end + _NUMBERS.size
    return found
