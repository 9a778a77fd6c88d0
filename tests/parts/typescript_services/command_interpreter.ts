// Runs a list of commands, each of which waits for one future or for a combination of several.
import { setTimeout } from "node:timers/promises";
import * as restate from "@restatedev/restate-sdk";

type Awaitable =
  | { type: "createAwakeable"; awakeableKey: string }
  | { type: "sleep"; timeoutMillis: number }
  | { type: "runReturns"; value: string }
  | { type: "runThrowTerminalException"; reason: string }
  | { type: "createSignal"; signalName: string };

type Several =
  | "awaitAny"
  | "awaitAnySuccessful"
  | "awaitFirstCompleted"
  | "awaitFirstSucceededOrAllFailed"
  | "awaitAllSucceededOrFirstFailed"
  | "awaitAllCompleted";

type Command =
  | { type: Several; commands: Awaitable[] }
  | { type: "awaitOne"; command: Awaitable }
  | { type: "awaitAwakeableOrTimeout"; awakeableKey: string; timeoutMillis: number }
  | { type: "resolveAwakeable"; awakeableKey: string; value: string }
  | { type: "rejectAwakeable"; awakeableKey: string; reason: string }
  | { type: "getEnvVariable"; envName: string };

function createAwakeable(ctx: restate.ObjectContext, key: string) {
  const { id, promise } = ctx.awakeable<string>();
  ctx.set(`awk-${key}`, id);
  return promise;
}

function future(ctx: restate.ObjectContext, command: Awaitable): restate.RestatePromise<string> {
  switch (command.type) {
    case "createAwakeable":
      return createAwakeable(ctx, command.awakeableKey);
    case "sleep":
      return ctx.sleep(command.timeoutMillis).map(() => "sleep");
    case "runReturns":
      return ctx.run<string>("returns", async () => {
        await setTimeout(1);
        return command.value;
      });
    case "runThrowTerminalException":
      return ctx.run<string>("throws", () => {
        throw new restate.TerminalError(command.reason);
      });
    case "createSignal":
      return ctx.signal<string>(command.signalName);
  }
}

async function firstSuccess(futures: restate.RestatePromise<string>[]): Promise<string> {
  try {
    return await restate.RestatePromise.any(futures);
  } catch (error) {
    // The aggregate of terminal failures is no terminal failure by itself.
    if (!(error instanceof AggregateError)) throw error;
    throw new restate.TerminalError(error.errors.map((one) => (one as Error).message).join("|"));
  }
}

async function combined(ctx: restate.ObjectContext, type: Several, commands: Awaitable[]) {
  const futures = commands.map((command) => future(ctx, command));
  switch (type) {
    case "awaitAny":
    case "awaitFirstCompleted":
      return restate.RestatePromise.race(futures);
    case "awaitAnySuccessful":
    case "awaitFirstSucceededOrAllFailed":
      return firstSuccess(futures);
    case "awaitAllSucceededOrFirstFailed":
      return (await restate.RestatePromise.all(futures)).join("|");
    case "awaitAllCompleted":
      return (await restate.RestatePromise.allSettled(futures))
        .map((one) =>
          one.status === "fulfilled" ? `ok:${one.value}` : `err:${(one.reason as Error).message}`,
        )
        .join("|");
  }
}

async function awakeableOrTimeout(ctx: restate.ObjectContext, key: string, timeoutMs: number) {
  try {
    return await createAwakeable(ctx, key).orTimeout(timeoutMs);
  } catch (error) {
    if (error instanceof restate.TimeoutError) throw new restate.TerminalError("await-timeout");
    throw error;
  }
}

async function awakeableId(ctx: restate.ObjectSharedContext, key: string): Promise<string> {
  const id = await ctx.get<string>(`awk-${key}`);
  if (id === null) throw new restate.TerminalError("No awakeable is registered");
  return id;
}

type Resolve = { awakeableKey: string; value: string };
type Reject = { awakeableKey: string; reason: string };

async function resolveAwakeable(ctx: restate.ObjectSharedContext, request: Resolve) {
  ctx.resolveAwakeable(await awakeableId(ctx, request.awakeableKey), request.value);
}

async function rejectAwakeable(ctx: restate.ObjectSharedContext, request: Reject) {
  ctx.rejectAwakeable(await awakeableId(ctx, request.awakeableKey), request.reason);
}

async function interpret(ctx: restate.ObjectContext, command: Command): Promise<string> {
  switch (command.type) {
    case "awaitOne":
      return future(ctx, command.command);
    case "awaitAwakeableOrTimeout":
      return awakeableOrTimeout(ctx, command.awakeableKey, command.timeoutMillis);
    case "resolveAwakeable":
      await resolveAwakeable(ctx, command);
      return "";
    case "rejectAwakeable":
      await rejectAwakeable(ctx, command);
      return "";
    case "getEnvVariable":
      return ctx.run("getEnv", () => process.env[command.envName] ?? "");
    default:
      return combined(ctx, command.type, command.commands);
  }
}

export const commandInterpreter = restate.object({
  name: "VirtualObjectCommandInterpreter",
  handlers: {
    interpretCommands: async (ctx: restate.ObjectContext, request: { commands: Command[] }) => {
      let result = "";
      for (const command of request.commands) {
        result = await interpret(ctx, command);
        const results = (await ctx.get<string[]>("results")) ?? [];
        ctx.set("results", [...results, result]);
      }
      return result;
    },

    resolveAwakeable: restate.handlers.object.shared(resolveAwakeable),
    rejectAwakeable: restate.handlers.object.shared(rejectAwakeable),

    hasAwakeable: restate.handlers.object.shared(
      async (ctx: restate.ObjectSharedContext, key: string) =>
        (await ctx.get<string>(`awk-${key}`)) !== null,
    ),

    getResults: restate.handlers.object.shared(
      async (ctx: restate.ObjectSharedContext) => (await ctx.get<string[]>("results")) ?? [],
    ),
  },
});
