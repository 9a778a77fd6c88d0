// The endpoint: every service of this directory, over HTTP/2 without TLS on 127.0.0.1:$PORT.
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";

import { cancelServices } from "./cancel_test.ts";
import { listObject, mapObject } from "./collections.ts";
import { commandInterpreter } from "./command_interpreter.ts";
import { awakeableHolder, counter } from "./counter.ts";
import { failing } from "./failing.ts";
import { interpreterServices } from "./interpreter.ts";
import { nonDeterministic } from "./non_determinism.ts";
import { proxy } from "./proxy.ts";
import { testUtils } from "./test_utils.ts";
import { workflow } from "./workflow.ts";

const all = [
  ...cancelServices,
  ...interpreterServices,
  listObject,
  mapObject,
  commandInterpreter,
  awakeableHolder,
  counter,
  failing,
  nonDeterministic,
  proxy,
  testUtils,
  workflow,
];

const wanted = process.env.SERVICES?.split(",");
const signingKey = process.env.E2E_REQUEST_SIGNING;
const handler = restate.createEndpointHandler({
  services: wanted ? all.filter((service) => wanted.includes(service.name)) : all,
  identityKeys: signingKey ? [signingKey] : undefined,
});

http2.createServer(handler).listen(Number(process.env.PORT), "127.0.0.1");
