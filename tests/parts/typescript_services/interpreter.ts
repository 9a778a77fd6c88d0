// Runs generated programs of steps, calls, sleeps and awakeables; in the end only its counters
// are compared, so a test can put crashes anywhere in between.
import * as restate from "@restatedev/restate-sdk";

type Id = { layer: number; key: string };
type Command = {
  kind: number;
  key?: number;
  duration?: number;
  sleep?: number;
  index?: number;
  program?: Program;
};
type Program = { commands: Command[] };
type Awaited = { expected?: string; result: restate.RestatePromise<string | undefined> };
type Run = { ctx: restate.ObjectContext; id: Id; awaited: Map<number, Awaited> };
type Step = (run: Run, command: Command, index: number) => Promise<void> | void;

const HELPER = "ServiceInterpreterHelper";
const INCREMENT: Program = { commands: [{ kind: 4 }] };

function sendProgram(ctx: restate.Context, id: Id): void {
  ctx.genericSend({
    service: `ObjectInterpreterL${id.layer}`,
    method: "interpret",
    key: id.key,
    parameter: INCREMENT,
    inputSerde: restate.serde.json,
  });
}

function help(run: Run, method: string, parameter?: unknown) {
  const json = { inputSerde: restate.serde.json, outputSerde: restate.serde.json };
  return run.ctx.genericCall<unknown, string>({ service: HELPER, method, parameter, ...json });
}

function askHelp(run: Run, method: string, parameter: unknown, delay?: number): void {
  const inputSerde = restate.serde.json;
  run.ctx.genericSend({ service: HELPER, method, parameter, inputSerde, delay });
}

function failureBecomes(text: string) {
  return (_value: unknown, failure?: restate.TerminalError): string => {
    if (failure) return text;
    throw new restate.TerminalError("succeeded where a failure was due");
  };
}

async function check(awaited: Awaited): Promise<void> {
  const result = await awaited.result;
  if (result !== awaited.expected) {
    throw new restate.TerminalError(`Expected ${awaited.expected} but got ${result}`);
  }
}

async function recover(run: Run): Promise<void> {
  const result = help(run, "terminalFailure").map(failureBecomes("failed"));
  await check({ expected: "failed", result });
}

async function increment({ ctx }: Run): Promise<void> {
  ctx.set("counter", ((await ctx.get<number>("counter")) ?? 0) + 1);
}

async function awakeableDance(run: Run): Promise<void> {
  const { id, promise } = run.ctx.awakeable<string>();
  askHelp(run, "incrementViaAwakeableDance", { interpreter: run.id, txPromiseId: id });
  run.ctx.resolveAwakeable(await promise, "ok");
}

function awakeable(run: Run, index: number, method: string): void {
  const { id, promise } = run.ctx.awakeable<string>();
  const rejected = method === "rejectAwakeable";
  const result = rejected ? promise.map(failureBecomes("rejected")) : promise;
  run.awaited.set(index, { expected: rejected ? "rejected" : "ok", result });
  askHelp(run, method, id);
}

function callNextLayer(run: Run, command: Command, index: number): void {
  const result = run.ctx.genericCall<Program, void>({
    service: `ObjectInterpreterL${run.id.layer + 1}`,
    method: "interpret",
    key: `${command.key}`,
    parameter: command.program!,
    inputSerde: restate.serde.json,
  });
  run.awaited.set(index, { result: result.map((_value, failure) => failure?.message) });
}

async function throwingStep({ ctx }: Run): Promise<void> {
  await ctx.run("throws", () => {
    if (Math.random() < 0.5) throw new Error("a coin fell on its face");
  });
}

// By the number of the command, which generators of programs rely on.
const STEPS: Record<number, Step> = {
  1: ({ ctx }, command) => ctx.set(`key-${command.key}`, `value-${command.key}`),
  2: async ({ ctx }, command) => {
    await ctx.get(`key-${command.key}`);
  },
  3: ({ ctx }, command) => ctx.clear(`key-${command.key}`),
  4: increment,
  5: (run) => askHelp(run, "incrementIndirectly", run.id),
  6: async ({ ctx }, command) => ctx.sleep(command.duration!),
  7: (run, _command, i) => {
    const expected = `hello-${i}`;
    run.awaited.set(i, { expected, result: help(run, "echo", expected) });
  },
  8: (run, command, i) => {
    const expected = `hello-${i}`;
    const parameter = { parameter: expected, sleep: command.sleep };
    run.awaited.set(i, { expected, result: help(run, "echoLater", parameter) });
  },
  9: (run, command) => askHelp(run, "incrementIndirectly", run.id, command.duration),
  10: async ({ ctx }, _command, i) => {
    const expected = `hello-${i}`;
    await check({ expected, result: ctx.run("step", () => expected) });
  },
  11: throwingStep,
  12: async ({ ctx }) => {
    await ctx.run("slow", () => new Promise<void>((resolve) => setTimeout(resolve, 1)));
  },
  13: recover,
  14: (run, _command, i) => {
    const result = help(run, "terminalFailure").map(failureBecomes("terminal"));
    run.awaited.set(i, { expected: "terminal", result });
  },
  15: async (run, command) => {
    const awaited = run.awaited.get(command.index!);
    run.awaited.delete(command.index!);
    if (awaited) await check(awaited);
  },
  16: (run, _command, i) => awakeable(run, i, "resolveAwakeable"),
  17: (run, _command, i) => awakeable(run, i, "rejectAwakeable"),
  18: awakeableDance,
  19: callNextLayer,
};

function layerObject(layer: number) {
  return restate.object({
    name: `ObjectInterpreterL${layer}`,
    handlers: {
      interpret: async (ctx: restate.ObjectContext, program: Program) => {
        const run: Run = { ctx, id: { layer, key: ctx.key }, awaited: new Map() };
        for (const [index, command] of program.commands.entries()) {
          await STEPS[command.kind](run, command, index);
        }
      },

      counter: restate.handlers.object.shared(
        async (ctx: restate.ObjectSharedContext) => (await ctx.get<number>("counter")) ?? 0,
      ),
    },
  });
}

type Dance = { interpreter: Id; txPromiseId: string };

const helper = restate.service({
  name: HELPER,
  handlers: {
    ping: async () => {},
    echo: async (_ctx: restate.Context, text: string) => text,
    echoLater: async (ctx: restate.Context, later: { sleep: number; parameter: string }) => {
      await ctx.sleep(later.sleep);
      return later.parameter;
    },
    terminalFailure: async (): Promise<string> => {
      throw new restate.TerminalError("bye");
    },
    incrementIndirectly: async (ctx: restate.Context, id: Id) => sendProgram(ctx, id),
    resolveAwakeable: async (ctx: restate.Context, id: string) => ctx.resolveAwakeable(id, "ok"),
    rejectAwakeable: async (ctx: restate.Context, id: string) => ctx.rejectAwakeable(id, "error"),
    incrementViaAwakeableDance: async (ctx: restate.Context, dance: Dance) => {
      const { id, promise } = ctx.awakeable<string>();
      ctx.resolveAwakeable(dance.txPromiseId, id);
      await promise;
      sendProgram(ctx, dance.interpreter);
    },
  },
});

export const interpreterServices = [helper, layerObject(0), layerObject(1), layerObject(2)];
