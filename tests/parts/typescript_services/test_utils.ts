// Small handlers that show what reached them, and that reach other invocations.
import * as restate from "@restatedev/restate-sdk";

type SignalRequest = { invocationId: string; signalName: string };

function signalOf(ctx: restate.Context, request: SignalRequest) {
  const id = restate.InvocationIdParser.fromString(request.invocationId);
  return ctx.invocation(id).signal(request.signalName);
}

export const testUtils = restate.service({
  name: "TestUtilsService",
  handlers: {
    echo: async (_ctx: restate.Context, input: string) => input,

    uppercaseEcho: async (_ctx: restate.Context, input: string) => input.toUpperCase(),

    echoHeaders: async (ctx: restate.Context) => Object.fromEntries(ctx.request().headers),

    rawEcho: restate.handlers.handler(
      { input: restate.serde.binary, output: restate.serde.binary, accept: "*/*" },
      async (_ctx: restate.Context, input: Uint8Array) => input,
    ),

    countExecutedSideEffects: async (ctx: restate.Context, increments: number) => {
      let executed = 0;
      for (let i = 0; i < increments; i++) {
        await ctx.run("count", () => {
          executed += 1;
        });
      }
      return executed;
    },

    cancelInvocation: async (ctx: restate.Context, id: string) => {
      ctx.invocation(restate.InvocationIdParser.fromString(id)).cancel();
    },

    resolveSignal: async (ctx: restate.Context, request: SignalRequest & { value: string }) => {
      signalOf(ctx, request).resolve(request.value);
    },

    rejectSignal: async (ctx: restate.Context, request: SignalRequest & { reason: string }) => {
      signalOf(ctx, request).reject(request.reason);
    },
  },
});
