import type { ConnectSnapshot, EnvironmentSnapshot } from "../../../src/domain/pins/connect.ts";
import { existing } from "../../../src/domain/pins/environments.ts";
import { storedPin } from "../../../src/domain/pins/pin.ts";

export const digest1 = `sha256:${"1".repeat(64)}`;
export const digest2 = `sha256:${"2".repeat(64)}`;
const tags: Record<string, string> = { v1: digest1, v2: digest2, latest: digest2 };

export function environment(
  name: string,
  { image = "v1", ...extra }: Partial<EnvironmentSnapshot> & { image?: string } = {},
): EnvironmentSnapshot {
  const settings = { startup_timeout_seconds: 300, max_idle_seconds: 300 };
  const digest = image.includes(":") ? image : (tags[image] ?? null);
  return { name, pin: storedPin(image), digest, revision: 1, stay: 1, cluster: "eu", settings, ...extra };
}

export function environmentsOf(list: readonly EnvironmentSnapshot[]): ConnectSnapshot["environments"] {
  return {
    ...existing(list.map(({ name }) => name)),
    get: (wanted) => list.find(({ name }) => name === wanted),
  };
}

/** A service with `prod` (v1, on eu) and `staging` (digest 2, on the account's default cluster). */
export function snapshot(extra: Partial<ConnectSnapshot> = {}): ConnectSnapshot {
  return {
    environments: environmentsOf([
      environment("prod"),
      environment("staging", { image: digest2, cluster: null }),
    ]),
    serviceDefaultEnvironment: null,
    accountDefaultCluster: "us",
    clusters: ["eu", "us"],
    drainingClusters: [],
    images: {
      digestOfTag: (tag) => tags[tag],
      hasDigest: (digest) => Object.values(tags).includes(digest),
      artifactOf: () => undefined,
      recentTags: () => Object.keys(tags),
    },
    isRejected: () => false,
    holderOf: () => undefined,
    ...extra,
  };
}
