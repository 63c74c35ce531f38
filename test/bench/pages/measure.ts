import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { inTurns } from "../../support/in-turns.ts";
import { buildBundle } from "../bundle.ts";
import type { Sandbox } from "../sandbox.ts";
import { median } from "../statistics.ts";
import { call, type Subject, setUpSubject, subjectTexts } from "../subject.ts";
import { startWebhookSink } from "../webhook-sink.ts";
import { startWorkerd } from "../workerd.ts";

/** How long a page takes, from the request to its last byte. */
export interface PageTime {
  page: string;
  medianMs: number;
  maxMs: number;
  /** Without compression. */
  bytes: number;
}

/** Live backends, and images, of the service whose pages are measured. */
export const crowd = 1_000;
export const medianMaxMs = 50;
const requests = 20;
/** Isolates and objects are warm for a visitor who looks around. */
const warmUps = 3;

/** Measures the pages of a service with many backends and images, one request after the other. */
export async function measurePages(
  sandbox: Sandbox,
  onProgress: (text: string) => void,
): Promise<PageTime[]> {
  const bundle = await buildBundle(sandbox, "pages", "wrangler.toml");
  const sink = await startWebhookSink();
  const workerd = await startWorkerd(sandbox, bundle, await subjectTexts());
  try {
    onProgress(`pages: a service with ${crowd} backends and ${crowd} images`);
    const subject = await setUpSubject(workerd.origin, sink.url);
    const backendId = await fill(subject);
    const times: PageTime[] = [];
    for (const page of pagePaths(backendId)) {
      for (let i = 0; i < warmUps; i++) await timePage(subject, page);
      const shown: { ms: number; bytes: number }[] = [];
      for (let i = 0; i < requests; i++) shown.push(await timePage(subject, page));
      const ms = shown.map((one) => one.ms);
      times.push({ page, medianMs: median(ms), maxMs: Math.max(...ms), bytes: shown[0]?.bytes ?? 0 });
    }
    return times;
  } finally {
    await workerd.stop();
    sink.close();
  }
}

function digestOf(i: number): string {
  return `sha256:${i.toString(16).padStart(64, "0")}`;
}

/** @returns the id of one of the backends */
async function fill({ origin, token, connectPath }: Subject): Promise<string> {
  let backendId = "";
  await inTurns(crowd, (i) =>
    call(z.unknown(), origin, token, "POST", "/v3/accounts/bench/services/hello/images", {
      digest: digestOf(i),
      tag: `build-${i}`,
    }),
  );
  await inTurns(crowd, async (i) => {
    const body = { key: `document-${i}` };
    backendId = (await call(connectAnswer, origin, token, "POST", connectPath, body)).backend_id;
  });
  return backendId;
}

function pagePaths(backendId: string): string[] {
  const service = "/service/bench/hello";
  return [
    "/",
    service,
    `${service}/environment/default`,
    `${service}/environment/default?image=build-9`,
    `${service}/images`,
    `${service}/images/${digestOf(crowd - 1)}`,
    `${service}/backends`,
    `/backend/${backendId}`,
    "/clusters",
    "/clusters/sink",
    "/events",
    "/settings",
  ];
}

/** @throws on anything but the page */
async function timePage({ origin, token }: Subject, path: string): Promise<{ ms: number; bytes: number }> {
  const begun = performance.now();
  const response = await fetch(origin + path, {
    headers: { cookie: `slipway_session=${token}` },
    redirect: "manual",
  });
  const { byteLength } = await response.arrayBuffer();
  const ms = performance.now() - begun;
  if (response.status !== 200) throw new Error(`${path} was answered ${response.status}`);
  return { ms, bytes: byteLength };
}
