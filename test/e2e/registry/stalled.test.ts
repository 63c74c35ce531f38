import { once } from "node:events";
import { type ClientRequest, request } from "node:http";
import { expect, test } from "vitest";
import { blobPartBytes } from "../../../src/domain/limits.ts";
import { digestOf } from "../../../src/protocol/oci/digest.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../../support/registry/deployment.ts";
import { share } from "../../support/shared.ts";

const uploads = 40;
/** More than a block, which is read in any case, and less than a part. */
const stalledBytes = 1_000_000;

let deployment: RegistryDeployment;

share({
  async start(stack) {
    deployment = stack.use(await startRegistryDeployment());
    await deployment.createService("crowded");
  },
});

const authorization = () => `Basic ${Buffer.from(`acme:${deployment.api.token}`).toString("base64")}`;

async function begin(): Promise<URL> {
  const begun = await fetch(`${deployment.api.api_url}/v2/acme/crowded/blobs/uploads/`, {
    method: "POST",
    headers: { authorization: authorization() },
  });
  expect(begun.status).toBe(202);
  return new URL(begun.headers.get("location") ?? "", deployment.api.api_url);
}

/** A PATCH of no known length, as docker sends it. */
async function patch(content: Uint8Array): Promise<ClientRequest> {
  const outgoing = request(await begin(), { method: "PATCH", headers: { authorization: authorization() } });
  await new Promise((sent) => outgoing.write(content, sent));
  return outgoing;
}

/** Pushes two parts and a half. */
async function push(): Promise<void> {
  const content = new Uint8Array(2.5 * blobPartBytes).fill(3);
  const outgoing = await patch(content);
  outgoing.end();
  const [patched] = await once(outgoing, "response");
  expect(patched.statusCode).toBe(202);
  const url = `${deployment.api.api_url}${patched.headers.location}?digest=${await digestOf("sha256", content)}`;
  const put = await fetch(url, { method: "PUT", headers: { authorization: authorization() } });
  expect(put.status).toBe(201);
}

test("an upload gets its turn beside 40 that have stalled, which then end well, and after 40 whose clients are gone", async () => {
  const half = new Uint8Array(stalledBytes).fill(5);
  const stalled = await Promise.all(Array.from({ length: uploads }, () => patch(half)));
  await push();
  const answers = stalled.map(async (outgoing) => {
    outgoing.end(half);
    const [answer] = await once(outgoing, "response");
    return [answer.statusCode, answer.headers.range];
  });
  const whole = [202, `0-${2 * stalledBytes - 1}`];
  expect(await Promise.all(answers)).toEqual(answers.map(() => whole));

  const gone = await Promise.all(Array.from({ length: uploads }, () => patch(half)));
  for (const outgoing of gone) {
    outgoing.on("error", () => {});
    outgoing.destroy();
  }
  await push();
});
