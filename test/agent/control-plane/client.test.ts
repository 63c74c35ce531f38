import { expect, test } from "vitest";
import { slipwayClient } from "../../../src/agent/control-plane/client.ts";
import { startHostileAnswers } from "../../support/remote/hostile-answers.ts";
import { agentToken } from "../support/deliveries.ts";
import { never } from "../support/streams.ts";

test("a call that is answered with a redirect is not repeated elsewhere, with the agent's token", async () => {
  await using hostile = await startHostileAnswers();
  const client = slipwayClient({ apiUrl: `${hostile.url}/redirect`, agentToken, timeoutMs: 60_000 });
  const called = await client.post("/v3/agent/heartbeat", {}, never);
  expect(called).toEqual({ outcome: "answer", status: 307, body: undefined });
});
