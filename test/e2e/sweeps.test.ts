import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { expect, test } from "vitest";
import type { LocalJson } from "../../src/local/state/local-json.ts";
import { connectAnswer } from "../../src/protocol/jamsocket/v2.ts";
import { call, connectToDemo } from "../support/api.ts";
import { makeFolder } from "../support/folder.ts";
import { startLocalSystem } from "../support/local-system.ts";

const documents = 10;
const reopenedEach = 3;
const maxIdleMs = 4_000;
/** Where a document is reopened: before, at and after the moment at which its backend would be swept. */
const firstMs = maxIdleMs - 700;
const lastMs = maxIdleMs + 100;
/** When those who have reopened one come to its URL: at once, or as late as people do. */
const comeAfterMs = [0, 300, 1_200];

/** What came of a document that was reopened so long after it was last used. */
interface Reopened {
  afterMs: number;
  comeAfterMs: number;
  status: string;
  /** What its URL answered; null where it had to start first. */
  answered: number | null;
}

const statusOf = async (url: string) => {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
};

/** Opens a document, and opens it again and again around the moment at which its backend is swept. */
async function reopen(local: LocalJson, document: number): Promise<Reopened[]> {
  const body = { key: `doc-${document}`, spawn: { max_idle_seconds: maxIdleMs / 1000 } };
  const path = `/v2/service/${local.account}/hello-world/prod/connect`;
  const all: Reopened[] = [];
  for (let i = document; i < documents * reopenedEach; i += documents) {
    const afterMs = Math.round(firstMs + ((lastMs - firstMs) * i) / (documents * reopenedEach - 1));
    const { url } = await connectToDemo(local, "prod", body);
    expect(await statusOf(url)).toBe(200);
    // True waits: the limits of a spawn are whole seconds, and what may be dead then is a process.
    await elapse(afterMs);
    const reopened = await call(local, connectAnswer, path, { json: body });
    const wait = comeAfterMs[i % comeAfterMs.length] ?? 0;
    await elapse(wait);
    const answered = reopened.status === "ready" ? await statusOf(reopened.url) : null;
    all.push({ afterMs, comeAfterMs: wait, status: reopened.status, answered });
  }
  return all;
}

test("a document that is reopened is there when its client comes, whenever its backend would have been swept", {
  timeout: 240_000,
}, async () => {
  await using folder = await makeFolder();
  await using system = await startLocalSystem(join(folder.path, "state"));
  const { local } = system;
  const all = (await Promise.all(Array.from({ length: documents }, (_, i) => reopen(local, i)))).flat();
  expect(all.filter(({ answered }) => answered !== null && answered !== 200)).toEqual([]);
  const ready = all.filter(({ status }) => status === "ready");
  expect(ready.length).toBeGreaterThan((documents * reopenedEach) / 2);
});
