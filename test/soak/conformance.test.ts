import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../support/folder.ts";
import { run } from "../support/process.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../support/registry/deployment.ts";
import { share } from "../support/shared.ts";

let deployment: RegistryDeployment;
let results: string;

share({
  programs: ["conformance"],
  async start(stack) {
    deployment = stack.use(await startRegistryDeployment());
    for (const service of ["one", "two"]) await deployment.createService(service);
    results = join(stack.use(await makeFolder()).path, "results");
    await mkdir(results);
  },
});

/** The options beyond what every registry is to pass. Manifests of which nothing is here (`SPARSE`) are not taken. */
const also = {
  OCI_API_BLOBS_DIGEST_HEADER: "true",
  OCI_API_BLOBS_UPLOAD_CANCEL: "true",
  OCI_API_MANIFESTS_DIGEST_HEADER: "true",
  OCI_API_MANIFESTS_TAG_PARAM: "true",
};

test("OCI's own conformance suite finds nothing wrong with the registry", {
  timeout: 1_800_000,
}, async () => {
  const env = {
    OCI_REGISTRY: deployment.host,
    OCI_TLS: "disabled",
    OCI_REPO1: "acme/one",
    OCI_REPO2: "acme/two",
    OCI_USERNAME: "acme",
    OCI_PASSWORD: deployment.api.token,
    OCI_RESULTS_DIR: results,
    ...also,
  };
  const ended = await run(["conformance"], { env, cwd: results });
  expect(ended.output).not.toMatch(/: +FAIL$/m);
  const [, tests] =
    /<testsuites [^>]*tests="(\d+)"/.exec(await readFile(join(results, "junit.xml"), "utf8")) ?? [];
  expect(Number(tests)).toBeGreaterThan(800);
  expect(ended.exitCode).toBe(0);
});
