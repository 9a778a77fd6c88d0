// Handlers that take another way on every second attempt, as no handler should.
import * as restate from "@restatedev/restate-sdk";
import { counter } from "./counter.ts";

const attempts = new Map<string, number>();

function oddAttempt(ctx: restate.ObjectContext): boolean {
  const attempt = (attempts.get(ctx.key) ?? 0) + 1;
  attempts.set(ctx.key, attempt);
  return attempt % 2 === 1;
}

async function finish(ctx: restate.ObjectContext): Promise<void> {
  await ctx.sleep(100);
  ctx.objectSendClient(counter, ctx.key).add(1);
}

export const nonDeterministic = restate.object({
  name: "NonDeterministic",
  handlers: {
    setDifferentKey: async (ctx: restate.ObjectContext) => {
      ctx.set(oddAttempt(ctx) ? "a" : "b", "my-state");
      await finish(ctx);
    },

    backgroundInvokeWithDifferentTargets: async (ctx: restate.ObjectContext) => {
      const client = ctx.objectSendClient(counter, "abc");
      if (oddAttempt(ctx)) client.get();
      else client.reset();
      await finish(ctx);
    },

    callDifferentMethod: async (ctx: restate.ObjectContext) => {
      const client = ctx.objectClient(counter, "abc");
      if (oddAttempt(ctx)) await client.get();
      else await client.reset();
      await finish(ctx);
    },

    eitherSleepOrCall: async (ctx: restate.ObjectContext) => {
      if (oddAttempt(ctx)) await ctx.sleep(100);
      else await ctx.objectClient(counter, "abc").get();
      await finish(ctx);
    },
  },
});
