import { describe, expect } from "vitest";
import { z } from "zod";
import { imageNameAnswer } from "../../../src/protocol/jamsocket/v1.ts";
import * as v2 from "../../../src/protocol/jamsocket/v2.ts";
import { clusterList, testedCluster } from "../../../src/protocol/v3/clusters.ts";
import { imageDetail } from "../../../src/protocol/v3/images.ts";
import * as v3 from "../../../src/protocol/v3/services.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  freshName,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

const first = `sha256:${"1".repeat(64)}`;
const second = `sha256:${"2".repeat(64)}`;

let account: TestAccount;
/** `/v3/accounts/…/services/hello` */
let service: string;
let environment: string;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  service = await createService(account);
  environment = `${service}/environments/default`;
});

const get = <T>(schema: z.ZodType<T>, path: string) => call(schema, path, { token: account.admin });

describe("a service", () => {
  test("has a cluster that is a string for v2 and null for v3, while it has none", async () => {
    const old = await get(v2.serviceAnswer, `/v2/service/${account.name}/hello`);
    expect(old.environments).toEqual([expect.objectContaining({ name: "default", cluster: "-" })]);
    expect((await get(v3.environment, environment)).cluster).toBeNull();
  });

  test("is shown with the image name of the configured host, by every version", async () => {
    const name = `api.test/${account.name}/hello`;
    const v1Path = `/v1/service/${account.name}/hello/image-name`;
    expect((await get(imageNameAnswer, v1Path)).imageName).toBe(name);
    expect((await get(v2.serviceAnswer, `/v2/service/${account.name}/hello`)).image_name).toBe(name);
    expect((await get(v3.service, service)).image_name).toBe(name);
  });

  test("can be created, listed and deleted by v1 and v2", async () => {
    for (const create of [`/user/${account.name}/service`, `/v2/account/${account.name}/service`]) {
      const name = freshName("made");
      const answer = await send(create, { token: account.admin, json: { name } });
      expect(await answer.json()).toEqual({ status: "ok" });
      for (const list of [`/v1/user/${account.name}/services`, `/v2/account/${account.name}/services`]) {
        expect((await get(v2.servicesAnswer, list)).services).toContain(name);
      }
      const deletion = `/v2/service/${account.name}/${name}/delete`;
      expect((await send(deletion, { method: "POST", token: account.admin })).status).toBe(200);
      expect((await get(v2.servicesAnswer, `/v2/account/${account.name}/services`)).services).not.toContain(
        name,
      );
    }
  });

  test("is 201 when it is created by v3, and 204 when it is deleted", async () => {
    const name = freshName("made");
    const root = `/v3/accounts/${account.name}/services`;
    const created = await send(root, { token: account.admin, json: { name } });
    expect(created.status).toBe(201);
    expect(v3.service.parse(await created.json())).toMatchObject({ name, environments: ["default"] });
    const deleted = await send(`${root}/${name}`, { method: "DELETE", token: account.admin });
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    expect((await refusal(`${root}/${name}`, { token: account.admin })).code).toBe("service_not_found");
  });

  test("is listed page by page", async () => {
    const root = `/v3/accounts/${account.name}/services`;
    const names = [freshName("page"), freshName("page")];
    for (const name of names) await createService(account, name);
    const newest = await get(v3.serviceList, `${root}?limit=1`);
    const next = await get(v3.serviceList, `${root}?limit=1&cursor=${newest.next_cursor}`);
    expect([...newest.services, ...next.services].map(({ name }) => name)).toEqual(names.reverse());
  });
});

describe("a pin", () => {
  test("is changed under If-Match only if the revision is the expected one", async () => {
    await createCluster(account);
    for (const [digest, tag] of [
      [first, "v1"],
      [second, "v2"],
    ]) {
      const recorded = await send(`${service}/images`, { token: account.admin, json: { digest, tag } });
      expect(recorded.status).toBe(201);
    }
    const before = await send(environment, { token: account.admin });
    const etag = before.headers.get("etag") ?? "";
    expect(etag).toBe(`"${v3.environment.parse(await before.json()).revision}"`);

    const change = (image: string, ifMatch: string) =>
      send(`${environment}/pin`, {
        method: "PUT",
        token: account.admin,
        json: { image },
        headers: { "if-match": ifMatch },
      });
    const pinned = await change("v1", etag);
    const answer = v3.pinAnswer.parse(await pinned.json());
    expect(answer).toMatchObject({ environment: "default", image: "v1", digest: first });
    expect(pinned.headers.get("etag")).toBe(`"${answer.revision}"`);

    const late = await change("v2", etag);
    expect(late.status).toBe(412);
    expect(await late.json()).toMatchObject({ error: { code: "revision_conflict" } });
    expect((await get(v3.environment, environment)).image).toBe("v1");

    const bare = await change("v2", String(answer.revision));
    expect(bare.status).toBe(200);
  });

  test("by v2 is written into the history with the token that made it", async () => {
    const path = `/v2/service/${account.name}/hello/default/update`;
    const updated = await send(path, { token: account.admin, json: { image_tag: first } });
    expect(await updated.json()).toEqual({ status: "ok" });
    const { revisions } = await get(v3.history, `${environment}/history?limit=1`);
    expect(revisions).toEqual([expect.objectContaining({ image: first, kind: "pin" })]);
    expect(revisions[0]?.by?.token_id).toBe(account.admin.split(/[_.]/)[1]);
  });

  test("resolves to what a spawn would use, without spawning", async ({ cluster }) => {
    const before = cluster.of("backend.spawn").length;
    const answer = await get(v3.resolveAnswer, `${environment}/resolve?tag=v2&key=k`);
    expect(answer).toMatchObject({ action: "spawn", digest: second, cluster: "main", refusals: [] });
    expect(cluster.of("backend.spawn").length).toBe(before);
  });
});

describe("images", () => {
  test("are listed by v2 one for each push, with an empty tag where there was none", async () => {
    const untagged = `sha256:${"3".repeat(64)}`;
    await send(`${service}/images`, { token: account.admin, json: { digest: untagged } });
    const { images } = await get(v2.imagesAnswer, `/v2/service/${account.name}/hello/images`);
    expect(images.map(({ digest, tag }) => [digest, tag])).toEqual([
      [untagged, ""],
      [second, "v2"],
      [first, "v1"],
    ]);
  });

  test("say which environments use them, and cannot be deleted while one does", async () => {
    const detail = await get(imageDetail, `${service}/images/${first}`);
    expect(detail.environments).toEqual(["default"]);
    const refused = await refusal(`${service}/images/${first}`, { method: "DELETE", token: account.admin });
    expect([refused.status, refused.code]).toEqual([409, "image_in_use"]);
  });
});

describe("a cluster", () => {
  test("is listed without its secrets, and tested with a signed ping", async ({ cluster }) => {
    const { clusters } = await get(clusterList, `/v3/accounts/${account.name}/clusters`);
    expect(JSON.stringify(clusters)).not.toMatch(/whsec_|agent_token/);
    const path = `/v3/accounts/${account.name}/clusters/main/test`;
    const tested = await call(testedCluster, path, { token: account.admin, method: "POST" });
    expect(tested).toMatchObject({ delivered: true, status: 200 });
    expect(cluster.received.at(-1)?.message.type).toBe("cluster.ping");
  });

  test("is changed by what a PATCH names, and nothing else", async () => {
    const path = `/v3/accounts/${account.name}/clusters/main`;
    const schema = z.looseObject({ webhook_url: z.string(), ack: z.string() });
    const before = await get(schema, path);
    const after = await call(schema, path, { token: account.admin, method: "PATCH", json: { ack: "async" } });
    expect(after.ack).toBe("async");
    expect(await get(schema, path)).toEqual({ ...before, ...after });
    expect({ ...before, ack: "async" }).toMatchObject(after);
  });
});
