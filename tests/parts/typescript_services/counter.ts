// A counter with failures on request, and a holder of one awakeable id.
import * as restate from "@restatedev/restate-sdk";

export const counter = restate.object({
  name: "Counter",
  handlers: {
    reset: async (ctx: restate.ObjectContext) => ctx.clear("counter"),

    get: async (ctx: restate.ObjectContext): Promise<number> =>
      (await ctx.get<number>("counter")) ?? 0,

    add: async (ctx: restate.ObjectContext, addend: number) => {
      const oldValue = (await ctx.get<number>("counter")) ?? 0;
      ctx.set("counter", oldValue + addend);
      return { oldValue, newValue: oldValue + addend };
    },

    addThenFail: async (ctx: restate.ObjectContext, addend: number) => {
      const oldValue = (await ctx.get<number>("counter")) ?? 0;
      ctx.set("counter", oldValue + addend);
      throw new restate.TerminalError(ctx.key);
    },
  },
});

export const awakeableHolder = restate.object({
  name: "AwakeableHolder",
  handlers: {
    hold: async (ctx: restate.ObjectContext, id: string) => ctx.set("id", id),

    hasAwakeable: async (ctx: restate.ObjectContext): Promise<boolean> =>
      (await ctx.get<string>("id")) !== null,

    unlock: async (ctx: restate.ObjectContext, payload: string) => {
      const id = await ctx.get<string>("id");
      if (id === null) throw new restate.TerminalError("No awakeable is registered");
      ctx.resolveAwakeable(id, payload);
    },
  },
});
