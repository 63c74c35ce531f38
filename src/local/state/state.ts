import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { signingKeys } from "../../protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../protocol/tokens/signing-keys.ts";
import { readJson, writeJson } from "./files.ts";

const clusterState = z.object({
  /** Where the cluster's agent listens on 127.0.0.1: kept, so that backend URLs stay valid. */
  agent_port: z.int(),
  /** Null until the cluster is registered. */
  credentials: z.object({ signing_secret: z.string(), agent_token: z.string() }).nullable(),
});
export type ClusterState = z.infer<typeof clusterState>;

const demoImages = z.object({
  /** What they were built for: an image for processes has no Node in it. */
  runtime: z.enum(["process", "docker"]),
  /** The digest that was pushed with each tag. */
  tags: z.record(z.string(), z.string()),
});
export type DemoImages = z.infer<typeof demoImages>;

const localState = z.object({
  root_token: z.string(),
  signing_keys: signingKeys,
  /** The `Idempotency-Key` of the account's creation: repeated after a crash, it answers with the same token. */
  account_idempotency_key: z.string(),
  /** An admin token of the demo account. */
  token: z.string().nullable(),
  clusters: z.record(z.string(), clusterState),
  /** Whether the demo was set up in full once. From then on it is the user's: nothing of it is set up again. */
  seeded: z.boolean(),
  /** The demo's images as they were pushed last; null before. */
  demo_images: demoImages.nullable().default(null),
});
export type LocalState = z.infer<typeof localState>;

/** What a deployment on this machine keeps outside of the Worker, including its secrets. */
export interface LocalStateFile {
  readonly path: string;
  readonly state: LocalState;
  /** Changes it, durably before this resolves. */
  update(changes: Partial<LocalState>): Promise<void>;
}

/** Opens a state directory's file; the first time, new secrets are generated into it. */
export async function openState(stateDir: string): Promise<LocalStateFile> {
  const path = join(stateDir, "secrets.json");
  const known = await readJson(path, localState);
  let current = known ?? (await newState());
  if (!known) await writeJson(path, current);
  return {
    path,
    get state() {
      return current;
    },
    async update(changes) {
      current = { ...current, ...changes };
      await writeJson(path, current);
    },
  };
}

async function newState(): Promise<LocalState> {
  return {
    root_token: `root.${randomBytes(32).toString("base64url")}`,
    signing_keys: await makeSigningKeys(),
    account_idempotency_key: randomBytes(16).toString("hex"),
    token: null,
    clusters: {},
    seeded: false,
    demo_images: null,
  };
}
