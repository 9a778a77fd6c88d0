// The benchmark's services on the TypeScript SDK, over HTTP/2 without TLS on 127.0.0.1:$PORT; the
// same handlers as bench.py. What the handlers saw is served by plain HTTP on $REPORT_PORT.
import * as http from "node:http";
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";

const FAN_OUT = 20;

const greeter = restate.service({
  name: "Greeter",
  handlers: {
    greet: async (_ctx: restate.Context, name: string) => `Hello ${name}`,
  },
});

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx: restate.ObjectContext, by: number) => {
      const sum = ((await ctx.get<number>("sum")) ?? 0) + by;
      ctx.set("sum", sum);
      return sum;
    },
  },
});

const steps = restate.service({
  name: "Steps",
  handlers: {
    walk: async (ctx: restate.Context, count: number) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += await ctx.run(`step ${i}`, () => i);
      return sum;
    },
  },
});

const signUp = restate.workflow({
  name: "SignUp",
  handlers: {
    run: async (ctx: restate.WorkflowContext, email: string) => {
      await ctx.run("mail", () => `sent to ${email}`);
      return await ctx.promise<string>("clicked");
    },
    click: async (ctx: restate.WorkflowSharedContext, secret: string) => {
      await ctx.promise<string>("clicked").resolve(secret);
    },
  },
});

const fanOut = restate.service({
  name: "FanOut",
  handlers: {
    spread: async (ctx: restate.Context, name: string) => {
      const client = ctx.serviceClient<typeof greeter>({ name: "Greeter" });
      const calls = Array.from({ length: FAN_OUT }, () => client.greet(name));
      return (await restate.RestatePromise.all(calls)).length;
    },
  },
});

type Nap = { n: number; ms: number };

// Due times and wake-ups by number of the sleeper; kept in memory, since only the server is killed.
const dueMs = new Map<number, number>();
const latenessMs = new Map<number, number>();

const nap = async (ctx: restate.Context, { n, ms }: Nap) => {
  if (!dueMs.has(n)) dueMs.set(n, performance.now() + ms);
  await ctx.sleep(ms);
  if (!latenessMs.has(n)) latenessMs.set(n, performance.now() - dueMs.get(n)!);
};

const sleeper = restate.service({
  name: "Sleeper",
  handlers: {
    nap,
    // Leaves its connection at once, so that ten thousand of them wait in the server alone.
    suspend: restate.handlers.handler({ inactivityTimeout: { milliseconds: 0 } }, nap),
  },
});

let tallied = 0; // no record is handled twice unless the server is killed

const tally = restate.object({
  name: "Tally",
  handlers: {
    add: async (ctx: restate.ObjectContext, by: number) => {
      ctx.set("sum", ((await ctx.get<number>("sum")) ?? 0) + by);
      tallied++;
    },
  },
});

const relay = restate.service({
  name: "Relay",
  handlers: {
    // Sends the record on, exactly once.
    forward: async (ctx: restate.Context, { to, n }: { to: string; n: number }) => {
      ctx.genericSend({
        service: "Kafka",
        method: "send",
        parameter: { topic: to, key: String(n), value: n },
        inputSerde: restate.serde.json,
      });
    },
  },
});

http
  .createServer((request, response) => {
    if (request.method === "DELETE") {
      dueMs.clear();
      latenessMs.clear();
      tallied = 0;
    }
    const lateness_ms = [...latenessMs.values()];
    response.end(JSON.stringify({ tallied, started: dueMs.size, lateness_ms }));
  })
  .listen(Number(process.env.REPORT_PORT), "127.0.0.1");

const services = [greeter, counter, steps, signUp, fanOut, sleeper, tally, relay];
http2
  .createServer(restate.createEndpointHandler({ services }))
  .listen(Number(process.env.PORT), "127.0.0.1");
