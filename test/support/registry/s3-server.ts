import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { TestProject } from "vitest/node";
import type { S3Place } from "./s3-place.ts";

const bucket = "blobs-of-the-tests";
const credentials = { accessKeyId: "id-of-the-tests", secretAccessKey: "secret-of-the-tests" };

/**
 * Starts a server that speaks the S3 API and checks its signatures, and provides the tests with its address. It is the local
 * one of Miniflare: those that install from npm without it know neither aborted uploads nor stale parts.
 */
export default async function startS3Server({ provide }: TestProject): Promise<() => Promise<void>> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      modules: true,
      script: "export default { fetch: () => new Response(null, { status: 404 }) }",
      compatibilityDate: "2026-10-01",
      r2Buckets: { BLOBS: { id: bucket, s3Credentials: credentials } },
    }),
  );
  const { origin } = await miniflare.ready;
  const place: S3Place = { endpoint: `${origin}/cdn-cgi/local/r2/s3`, bucket, ...credentials };
  provide("s3", place);
  return () => miniflare.dispose();
}
