"""Fan-out and fan-in: count the words of many pages at once, each page in an invocation of its own.

perdure dev examples/fan_out.py
curl localhost:8080/words/count --json '["to be or not to be", "that is the question"]'
"""

from collections import Counter

import perdure

words = perdure.Service("words")


@words.handler
async def count(ctx: perdure.Context, pages: list[str]) -> dict[str, int]:
    """While the pages are counted this handler may be suspended: then it costs nothing."""
    futures = [ctx.call(count_page, page) for page in pages]
    total: Counter[str] = Counter()
    for one in await ctx.gather(*futures):
        total.update(one)
    return dict(total.most_common())


@words.handler(private=True)
async def count_page(ctx: perdure.Context, page: str) -> dict[str, int]:
    """Runs wherever the service has a free process, and is retried by itself."""
    return await ctx.step(split_and_count, page)


@words.handler
async def longest(ctx: perdure.Context, pages: list[str]) -> str:
    """The same with steps of this handler in place of other invocations, as they are done."""
    futures = [ctx.step(longest_word, page, name=f"page {n}") for n, page in enumerate(pages)]
    best = ""
    async for future in ctx.as_completed(*futures):
        word = await future
        ctx.logger.info("one more page, its longest word is %s", word)
        best = max(best, word, key=lambda one: (len(one), one))
    return best


def split_and_count(page: str) -> dict[str, int]:
    """A plain function runs in a thread: it may take its time."""
    return dict(Counter(page.split()))


def longest_word(page: str) -> str:
    return max(page.split(), key=len, default="")


app = perdure.app(words)
