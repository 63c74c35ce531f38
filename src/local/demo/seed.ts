import type { ApiClient } from "../../cli/client.ts";
import { imageList } from "../../protocol/v3/images.ts";
import { environment, service } from "../../protocol/v3/services.ts";
import { demoAccount } from "../account.ts";
import { apiClient, expectDone, unlessCode } from "../api.ts";
import { clusterNames } from "../clusters.ts";
import { nodeImage, nodeLayer } from "../node-image.ts";
import { ownNode } from "../own-node.ts";
import { pushImage } from "../push-image.ts";
import type { DemoImages, LocalStateFile } from "../state/state.ts";
import { bundleNodeProgram } from "../worker/bundle.ts";

export const demoService = "hello-world";

const demoImages = [
  { program: "src/local/demo/v1.ts", tags: ["v1"] },
  { program: "src/local/demo/v2.ts", tags: ["v2", "latest"] },
];

export const demoEnvironments = [
  { name: "staging", cluster: clusterNames.staging, image: "v2" },
  { name: "prod", cluster: clusterNames.prod, image: "v1" },
];

export interface SeedSettings {
  apiUrl: string;
  token: string;
  /** What the images are to run in. */
  runtime: DemoImages["runtime"];
  file: LocalStateFile;
}

/**
 * Sets the demo up. Steps that are done are skipped, so that a start after an interrupted one completes it. Once it is
 * complete it is the user's, and nothing is set up again but images that only an earlier start's runtime can run.
 */
export async function seedDemo(settings: SeedSettings): Promise<void> {
  const { file } = settings;
  const api = apiClient(settings.apiUrl, settings.token, ["accounts", demoAccount]);
  if (!file.state.seeded) await seedService(api);
  if (!file.state.seeded || file.state.demo_images?.runtime !== settings.runtime)
    await seedImages(api, settings);
  if (file.state.seeded) return;
  for (const wanted of demoEnvironments) await seedEnvironment(api, wanted);
  await file.update({ seeded: true });
}

async function seedService(api: ApiClient): Promise<void> {
  const attempted = `service \`${demoService}\``;
  const found = await api.get(["services", demoService], service);
  if (unlessCode(found, "service_not_found", attempted)) return;
  const body = { ok: true, value: { name: demoService } } as const;
  expectDone(await api.send({ method: "POST", path: ["services"], body, answer: service }), attempted);
}

/** Builds the images, and pushes them with those tags that are missing or that were not moved since they were pushed. */
async function seedImages(api: ApiClient, { apiUrl, token, runtime, file }: SeedSettings): Promise<void> {
  const path = ["services", demoService, "images"];
  const listed = await api.list({ path, page: imageList, itemsOf: (page) => page.images, limit: undefined });
  const images = unlessCode(listed, "service_not_found", "the demo's images")?.body ?? null;
  if (images === null) return;
  const digests = new Map(images.flatMap(({ digest, tags }) => tags.map((tag) => [tag, digest] as const)));
  const { seeded, demo_images: earlier } = file.state;
  const isOurs = (tag: string) => {
    const digest = digests.get(tag);
    return digest === undefined ? !seeded : digest === earlier?.tags[tag] && earlier.runtime !== runtime;
  };
  const repository = { apiUrl, account: demoAccount, service: demoService, token };
  const node = runtime === "docker" ? nodeLayer(await ownNode()) : undefined;
  const pushed: Record<string, string> = {};
  for (const { program, tags } of demoImages) {
    const image = nodeImage(await bundleNodeProgram(program), node);
    const stale = tags.filter(isOurs);
    if (stale.length > 0) await pushImage(repository, image, stale);
    for (const tag of tags) pushed[tag] = image.manifest.digest;
  }
  await file.update({ demo_images: { runtime, tags: pushed } });
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
