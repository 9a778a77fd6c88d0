// Handlers and steps that fail: for good, until some attempt, or until the policy gives up.
// The counters live in the process, so that an attempt can know how many came before it.
import * as restate from "@restatedev/restate-sdk";

type Failure = { errorMessage: string; metadata?: Record<string, string> };

const EAGER = { retryIntervalFactor: 1, initialRetryInterval: { milliseconds: 1 } };

let callAttempts = 0;
let succeedingAttempts = 0;
let failingAttempts = 0;

function terminal(failure: Failure): restate.TerminalError {
  return new restate.TerminalError(failure.errorMessage, { metadata: failure.metadata });
}

export const failing = restate.object({
  name: "Failing",
  handlers: {
    terminallyFailingCall: async (_ctx: restate.ObjectContext, failure: Failure) => {
      throw terminal(failure);
    },

    callTerminallyFailingCall: async (ctx: restate.ObjectContext, failure: Failure) => {
      await ctx.genericCall<Failure, void>({
        service: "Failing",
        method: "terminallyFailingCall",
        key: ctx.rand.uuidv4(),
        parameter: failure,
        inputSerde: restate.serde.json,
      });
      throw new Error("The call above must fail");
    },

    failingCallWithEventualSuccess: async (): Promise<number> => {
      callAttempts += 1;
      if (callAttempts < 4) throw new Error(`Failed at attempt: ${callAttempts}`);
      callAttempts = 0;
      return 4;
    },

    terminallyFailingSideEffect: async (ctx: restate.ObjectContext, failure: Failure) => {
      await ctx.run("sideEffect", () => {
        throw terminal(failure);
      });
      throw new Error("The step above must fail");
    },

    sideEffectSucceedsAfterGivenAttempts: async (
      ctx: restate.ObjectContext,
      minimum: number,
    ): Promise<number> => {
      const step = () => {
        succeedingAttempts += 1;
        if (succeedingAttempts >= minimum) return succeedingAttempts;
        throw new Error(`Failed at attempt: ${succeedingAttempts}`);
      };
      return ctx.run("sideEffect", step, { ...EAGER, maxRetryAttempts: minimum + 1 });
    },

    sideEffectFailsAfterGivenAttempts: async (
      ctx: restate.ObjectContext,
      maxRetryAttempts: number,
    ): Promise<number> => {
      const step = () => {
        failingAttempts += 1;
        throw new Error(`Failed at attempt: ${failingAttempts}`);
      };
      try {
        await ctx.run("sideEffect", step, { ...EAGER, maxRetryAttempts });
      } catch (error) {
        if (error instanceof restate.TerminalError) return failingAttempts;
        throw error;
      }
      throw new restate.TerminalError("The step above must fail");
    },
  },
});
