import type { ApiClient } from "../cli/client.ts";
import { imageList } from "../protocol/v3/images.ts";
import { environment, service } from "../protocol/v3/services.ts";
import { demoAccount } from "./account.ts";
import { apiClient, expectDone, unlessCode } from "./api.ts";
import { bundleNodeProgram } from "./bundle.ts";
import { clusterNames } from "./clusters.ts";
import { nodeImage } from "./node-image.ts";
import { pushImage } from "./push-image.ts";

export const demoService = "hello-world";

const demoImages = [
  { program: "src/local/demo/v1.ts", tags: ["v1"] },
  { program: "src/local/demo/v2.ts", tags: ["v2", "latest"] },
];

const demoEnvironments = [
  { name: "staging", cluster: clusterNames.staging, image: "v2" },
  { name: "prod", cluster: clusterNames.prod, image: "v1" },
];

/** Sets the demo up. A step that is done already is left out, so that a start after one that broke off completes it. */
export async function seedDemo(settings: { apiUrl: string; token: string }): Promise<void> {
  const api = apiClient(settings.apiUrl, settings.token, ["accounts", demoAccount]);
  const found = await api.get(["services", demoService], service);
  if (!unlessCode(found, "service_not_found", `service \`${demoService}\``)) {
    const body = { ok: true, value: { name: demoService } } as const;
    expectDone(
      await api.send({ method: "POST", path: ["services"], body, answer: service }),
      `service \`${demoService}\``,
    );
  }
  await seedImages(api, settings);
  for (const wanted of demoEnvironments) await seedEnvironment(api, wanted);
}

/** Builds and pushes the images whose tags are missing. */
async function seedImages(
  api: ApiClient,
  { apiUrl, token }: { apiUrl: string; token: string },
): Promise<void> {
  const path = ["services", demoService, "images"];
  const listed = await api.list({ path, page: imageList, itemsOf: (page) => page.images, limit: undefined });
  const known = new Set(expectDone(listed, "the demo's images").body.flatMap(({ tags }) => tags));
  const repository = { apiUrl, account: demoAccount, service: demoService, token };
  for (const { program, tags } of demoImages) {
    const missing = tags.filter((tag) => !known.has(tag));
    if (missing.length > 0) await pushImage(repository, nodeImage(await bundleNodeProgram(program)), missing);
  }
}

async function seedEnvironment(
  api: ApiClient,
  wanted: { name: string; cluster: string; image: string },
): Promise<void> {
  const path = ["services", demoService, "environments"];
  const attempted = `environment \`${wanted.name}\``;
  const found = await api.get([...path, wanted.name], environment);
  if (unlessCode(found, "environment_not_found", attempted)) return;
  const body = { ok: true, value: wanted } as const;
  expectDone(await api.send({ method: "POST", path, body, answer: environment }), attempted);
}
