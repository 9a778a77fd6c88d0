// Call trees that block, to be cancelled or killed from outside.
import * as restate from "@restatedev/restate-sdk";
import { awakeableHolder } from "./counter.ts";

type Operation = "CALL" | "SLEEP" | "AWAKEABLE";

const YEAR_MS = 365 * 24 * 3600 * 1000;

const blocking = restate.object({
  name: "CancelTestBlockingService",
  handlers: {
    block: async (ctx: restate.ObjectContext, operation: Operation): Promise<void> => {
      const { id, promise } = ctx.awakeable<string>();
      await ctx.objectClient(awakeableHolder, ctx.key).hold(id);
      await promise;
      switch (operation) {
        case "CALL":
          // The key is locked by this very invocation, so this call never starts.
          return ctx.genericCall<Operation, void>({
            service: "CancelTestBlockingService",
            method: "block",
            key: ctx.key,
            parameter: operation,
            inputSerde: restate.serde.json,
          });
        case "SLEEP":
          return ctx.sleep(YEAR_MS);
        case "AWAKEABLE":
          await ctx.awakeable<string>().promise;
      }
    },

    isUnlocked: async () => {},
  },
});

const runner = restate.object({
  name: "CancelTestRunner",
  handlers: {
    startTest: async (ctx: restate.ObjectContext, operation: Operation) => {
      try {
        await ctx.objectClient(blocking, ctx.key).block(operation);
      } catch (error) {
        if (!(error instanceof restate.TerminalError) || error.code !== 409) throw error;
        ctx.set("state", true);
      }
    },

    verifyTest: async (ctx: restate.ObjectContext) => (await ctx.get<boolean>("state")) ?? false,
  },
});

const singleton = restate.object({
  name: "KillTestSingleton",
  handlers: {
    recursiveCall: async (ctx: restate.ObjectContext): Promise<void> => {
      const { id, promise } = ctx.awakeable<string>();
      ctx.objectSendClient(awakeableHolder, ctx.key).hold(id);
      await promise;
      await ctx.genericCall({
        service: "KillTestSingleton",
        method: "recursiveCall",
        key: ctx.key,
        parameter: new Uint8Array(),
      });
    },

    isUnlocked: async () => {},
  },
});

const killRunner = restate.object({
  name: "KillTestRunner",
  handlers: {
    startCallTree: async (ctx: restate.ObjectContext) => {
      await ctx.objectClient(singleton, ctx.key).recursiveCall();
    },
  },
});

export const cancelServices = [blocking, runner, singleton, killRunner];
