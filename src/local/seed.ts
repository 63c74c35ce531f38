import type { ApiClient } from "../cli/client.ts";
import { image, imageList } from "../protocol/v3/images.ts";
import { environment, service } from "../protocol/v3/services.ts";
import { demoAccount } from "./account.ts";
import { apiClient, expectDone, unlessCode } from "./api.ts";
import { bundleNodeProgram } from "./bundle.ts";
import { clusterNames } from "./clusters.ts";
import type { ImageStore } from "./image-store.ts";

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
export async function seedDemo(settings: {
  apiUrl: string;
  token: string;
  images: ImageStore;
}): Promise<void> {
  const api = apiClient(settings.apiUrl, settings.token, ["accounts", demoAccount]);
  const found = await api.get(["services", demoService], service);
  if (!unlessCode(found, "service_not_found", `service \`${demoService}\``)) {
    const body = { ok: true, value: { name: demoService } } as const;
    expectDone(
      await api.send({ method: "POST", path: ["services"], body, answer: service }),
      `service \`${demoService}\``,
    );
  }
  await seedImages(api, settings.images);
  for (const wanted of demoEnvironments) await seedEnvironment(api, wanted);
}

async function seedImages(api: ApiClient, images: ImageStore): Promise<void> {
  const path = ["services", demoService, "images"];
  const listed = await api.list({ path, page: imageList, itemsOf: (page) => page.images, limit: undefined });
  const known = new Set(expectDone(listed, "the demo's images").body.flatMap(({ tags }) => tags));
  for (const { program, tags } of demoImages) {
    const digest = await images.put(await bundleNodeProgram(program));
    for (const tag of tags.filter((wanted) => !known.has(wanted))) {
      const body = { ok: true, value: { digest, tag } } as const;
      expectDone(await api.send({ method: "POST", path, body, answer: image }), `image \`${tag}\``);
    }
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
