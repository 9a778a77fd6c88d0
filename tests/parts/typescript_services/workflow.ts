// A workflow that waits for one durable promise.
import * as restate from "@restatedev/restate-sdk";

export const workflow = restate.workflow({
  name: "BlockAndWaitWorkflow",
  handlers: {
    run: async (ctx: restate.WorkflowContext, input: string) => {
      ctx.set("my-state", input);
      const output = await ctx.promise<string>("durable-promise");
      if ((await ctx.promise<string>("durable-promise").peek()) === undefined) {
        throw new restate.TerminalError("Durable promise should be completed");
      }
      return output;
    },

    unblock: async (ctx: restate.WorkflowSharedContext, output: string) => {
      await ctx.promise<string>("durable-promise").resolve(output);
    },

    getState: async (ctx: restate.WorkflowSharedContext) => await ctx.get<string>("my-state"),
  },
});
