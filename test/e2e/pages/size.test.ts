import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { environment, pinAnswer } from "../../../src/protocol/v3/services.ts";
import { call } from "../../support/api.ts";
import { usePages } from "../../support/browser/page-tests.ts";
import { pageWeight } from "../../support/browser/page-weight.ts";
import { type RecordingCluster, startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { inTurns } from "../../support/in-turns.ts";

const { api, local, open, url, whyNot } = usePages();

const many = 1_000;
const weightMaxBytes = 100_000;

const service = "/v3/accounts/demo/services/crowd";
let cluster: RecordingCluster | undefined;
let backendId = "";

const digestOf = (i: number) => `sha256:${i.toString(16).padStart(64, "0")}`;

beforeAll(async () => {
  if (whyNot !== null) return;
  cluster = await startRecordingCluster();
  const webhook_url = `${cluster.url}/webhook`;
  await api(z.unknown(), "/v3/accounts/demo/clusters", { json: { name: "crowded", webhook_url } });
  await api(z.unknown(), "/v3/accounts/demo/services", { json: { name: "crowd" } });
  await inTurns(many, (i) =>
    api(z.unknown(), `${service}/images`, {
      json: { digest: digestOf(i), tag: `v${i}`, repository: "registry.example.com/team/crowd" },
    }),
  );
  await api(environment, `${service}/environments`, {
    json: { name: "busy", cluster: "crowded", image: "v1" },
  });
  for (let i = 2; i <= 60; i++) {
    const json = { image: `v${i}`, note: `the ${i}th change, with a few words on why it was made` };
    await api(pinAnswer, `${service}/environments/busy/pin`, { method: "PUT", json });
  }
  await inTurns(many, async (i) => {
    const path = "/v2/service/demo/crowd/busy/connect";
    backendId = (await call(local(), connectAnswer, path, { json: { key: `document-${i}` } })).backend_id;
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test(`no page of a service with ${many} live backends and ${many} images loads more than ${weightMaxBytes / 1000} kB`, async () => {
  const crowd = "/service/demo/crowd";
  expect((await api(environment, `${service}/environments/busy`)).live_backends).toBe(many);
  const paths = [
    "/login",
    "/",
    crowd,
    `${crowd}?range=7d`,
    `${crowd}/environment/busy`,
    `${crowd}/environment/busy?image=v9`,
    `${crowd}/images`,
    `${crowd}/images/${digestOf(60)}`,
    `${crowd}/backends`,
    `${crowd}/backends?status=ended`,
    `/backend/${backendId}`,
    "/clusters",
    "/clusters/crowded",
    "/events",
    "/settings",
  ];
  const heavy: Record<string, unknown> = {};
  for (const path of paths) {
    const window = await open("/login");
    const weights = await pageWeight(window, url(path));
    const total = Object.values(weights).reduce((sum, bytes) => sum + bytes, 0);
    // What was measured is a page with its style and its script.
    expect(total).toBeGreaterThan(10_000);
    if (total > weightMaxBytes) heavy[path] = { total, weights };
    await window.context.close();
  }
  expect(heavy).toEqual({});
});
