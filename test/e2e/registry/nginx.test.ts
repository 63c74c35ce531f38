import { once } from "node:events";
import { request } from "node:http";
import { expect, test, vi } from "vitest";
import { registryTokenSeconds } from "../../../src/domain/limits.ts";
import { digestOf } from "../../../src/protocol/oci/digest.ts";
import { grantRegistryToken } from "../../../src/protocol/oci/token-authentication.ts";
import { parseAccessToken } from "../../../src/protocol/tokens/access-token.ts";
import { importSigningKey } from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";
import { startNginx } from "../../support/nginx.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../../support/registry/deployment.ts";
import { share } from "../../support/shared.ts";

const goodMs = 3000;

const signingKeys = await makeSigningKeys();
let deployment: RegistryDeployment;

share({
  programs: ["nginx"],
  async start(stack) {
    deployment = stack.use(await startRegistryDeployment({ SIGNING_KEYS: JSON.stringify(signingKeys) }));
  },
});

/** As the deployment grants one, nearly an hour ago. */
async function tokenThatIsAboutToExpire(): Promise<{ authorization: string; expiresAt: number }> {
  const { account, id } = parseAccessToken(deployment.api.token) ?? { account: "", id: "" };
  const access = [{ type: "repository" as const, name: "acme/slow", actions: ["push" as const] }];
  const grantedAt = Date.now() + goodMs - registryTokenSeconds * 1000;
  const claims = { sub: account, credential: id, access };
  const signer = await importSigningKey(signingKeys);
  const { token } = await grantRegistryToken(signer, deployment.api.api_url, claims, grantedAt);
  return { authorization: `Bearer ${token}`, expiresAt: Date.now() + goodMs };
}

test("an upload through nginx, which sends a request on when all of it is there, outlives its token", async () => {
  await deployment.createService("slow");
  const port = await startNginx(
    (listening) => `server {
      listen 127.0.0.1:${listening};
      client_max_body_size 0;
      location / { proxy_pass http://${deployment.host}; proxy_set_header Host $http_host; }
    }`,
  );
  const origin = `http://127.0.0.1:${port}`;
  const { authorization, expiresAt } = await tokenThatIsAboutToExpire();
  const headers = { authorization };
  const uploads = `${origin}/v2/acme/slow/blobs/uploads/`;
  const begun = await fetch(uploads, { method: "POST", headers });
  expect(begun.status).toBe(202);
  const location = new URL(begun.headers.get("location") ?? "", origin);

  const bytes = new Uint8Array(200_000).fill(7);
  const patch = request(location, { method: "PATCH", headers });
  patch.write(bytes.subarray(0, 100_000));
  await vi.waitUntil(() => Date.now() > expiresAt, { timeout: 10 * goodMs });
  patch.end(bytes.subarray(100_000));
  const [patched] = await once(patch, "response");
  expect(patched.statusCode).toBe(202);
  const digest = await digestOf("sha256", bytes);
  const put = await fetch(`${location}?digest=${digest}`, { method: "PUT", headers });
  expect(put.status).toBe(201);

  const another = await fetch(uploads, { method: "POST", headers });
  expect(another.status).toBe(401);
  expect(another.headers.get("www-authenticate")).toContain('error="invalid_token"');
});
