// Calls any handler on behalf of the caller, with the bytes it was given.
import * as restate from "@restatedev/restate-sdk";

type ProxyRequest = {
  serviceName: string;
  virtualObjectKey?: string;
  handlerName: string;
  message: number[];
  delayMillis?: number;
  idempotencyKey?: string;
};

type ManyCallRequest = { proxyRequest: ProxyRequest; oneWayCall: boolean; awaitAtTheEnd: boolean };

function target(request: ProxyRequest) {
  return {
    service: request.serviceName,
    method: request.handlerName,
    key: request.virtualObjectKey,
    parameter: new Uint8Array(request.message),
    inputSerde: restate.serde.binary,
    idempotencyKey: request.idempotencyKey,
  };
}

function call(ctx: restate.Context, request: ProxyRequest) {
  return ctx.genericCall({ ...target(request), outputSerde: restate.serde.binary });
}

function send(ctx: restate.Context, request: ProxyRequest) {
  return ctx.genericSend({ ...target(request), delay: request.delayMillis });
}

export const proxy = restate.service({
  name: "Proxy",
  handlers: {
    call: async (ctx: restate.Context, request: ProxyRequest) =>
      Array.from(await call(ctx, request)),

    oneWayCall: async (ctx: restate.Context, request: ProxyRequest) =>
      send(ctx, request).invocationId,

    manyCalls: async (ctx: restate.Context, requests: ManyCallRequest[]) => {
      const awaited: Promise<unknown>[] = [];
      for (const request of requests) {
        if (request.oneWayCall) {
          send(ctx, request.proxyRequest);
        } else {
          const result = call(ctx, request.proxyRequest);
          if (request.awaitAtTheEnd) awaited.push(result);
        }
      }
      for (const result of awaited) await result;
    },
  },
});
