// A list and a map kept in the state of a virtual object.
import * as restate from "@restatedev/restate-sdk";

type Entry = { key: string; value: string };

export const listObject = restate.object({
  name: "ListObject",
  handlers: {
    append: async (ctx: restate.ObjectContext, value: string) => {
      const list = (await ctx.get<string[]>("list")) ?? [];
      ctx.set("list", [...list, value]);
    },

    get: async (ctx: restate.ObjectContext) => (await ctx.get<string[]>("list")) ?? [],

    clear: async (ctx: restate.ObjectContext) => {
      const list = (await ctx.get<string[]>("list")) ?? [];
      ctx.clear("list");
      return list;
    },
  },
});

export const mapObject = restate.object({
  name: "MapObject",
  handlers: {
    set: async (ctx: restate.ObjectContext, entry: Entry) => ctx.set(entry.key, entry.value),

    get: async (ctx: restate.ObjectContext, key: string) => (await ctx.get<string>(key)) ?? "",

    clearAll: async (ctx: restate.ObjectContext): Promise<Entry[]> => {
      const entries: Entry[] = [];
      for (const key of await ctx.stateKeys()) {
        entries.push({ key, value: (await ctx.get<string>(key)) ?? "" });
      }
      ctx.clearAll();
      return entries;
    },
  },
});
