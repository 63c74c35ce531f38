import { z } from "zod";
import { digest, image, key, name, note, seconds, timestamp } from "../primitives.ts";
import { listAnswer } from "./list.ts";

export const createServiceBody = z.strictObject({ name, default_environment: name.optional() });

export const patchServiceBody = z.strictObject({
  default_environment: name.nullable().describe("Used by requests that name none; null: none is"),
});

export const service = z
  .object({
    name: z.string(),
    account: z.string(),
    default_environment: z.string().nullable(),
    created_at: timestamp,
    last_spawned_at: timestamp.nullable(),
    last_image_upload_time: timestamp.nullable(),
    last_image_digest: z.string().nullable(),
    image_name: z.string(),
    environments: z.array(z.string()),
    live_backends: z.int(),
  })
  .meta({ id: "Service" });

export const serviceList = listAnswer("services", z.object({ name: z.string(), created_at: timestamp }));

export const environmentSettings = z
  .strictObject({
    startup_timeout_seconds: seconds,
    max_idle_seconds: z.int().nonnegative().describe("0: an idle backend is never swept"),
    lifetime_limit_seconds: seconds,
  })
  .partial();
export type EnvironmentSettingsBody = z.infer<typeof environmentSettings>;

export const createEnvironmentBody = z.strictObject({
  name,
  cluster: name.optional().describe("The account's default cluster when it is left out"),
  image: image.default("latest"),
  settings: environmentSettings.optional(),
});
export type CreateEnvironmentBody = z.infer<typeof createEnvironmentBody>;

export const patchEnvironmentBody = z.strictObject({
  cluster: name.nullable().optional().describe("null: the account's default cluster"),
  settings: environmentSettings.optional(),
});
export type PatchEnvironmentBody = z.infer<typeof patchEnvironmentBody>;

export const environment = z
  .object({
    name: z.string(),
    cluster: z.string().nullable().describe("What it spawns into now; null while there is none"),
    image: z.string().describe("The pin: a tag or a digest"),
    digest: digest.nullable().describe("What the pin resolves to now; null while nothing was pushed"),
    revision: z.int().positive(),
    settings: environmentSettings,
    live_backends: z.int(),
    created_at: timestamp,
    last_spawned_at: timestamp.nullable(),
  })
  .meta({ id: "Environment" });
export type Environment = z.infer<typeof environment>;

export const environmentList = listAnswer("environments", environment);

export const pinBody = z.strictObject({ image, note: note.optional() });

const pinState = z.object({
  image: z.string(),
  digest: digest.nullable(),
  revision: z.int().positive(),
});

export const pinAnswer = pinState
  .extend({ environment: z.string(), previous: pinState })
  .meta({ id: "PinChange" });
export type PinAnswer = z.infer<typeof pinAnswer>;

export const pinKinds = ["create", "pin"] as const;

export const revision = z
  .object({
    revision: z.int().positive(),
    image: z.string(),
    digest: digest.nullable().describe("What the pin resolved to when it was set"),
    kind: z.enum(pinKinds),
    by: z.object({ token_id: z.string(), token_name: z.string() }),
    at: timestamp,
    note: z.string().optional(),
  })
  .meta({ id: "Revision" });
export type Revision = z.infer<typeof revision>;

export const history = listAnswer("revisions", revision);

export const resolveQuery = z.strictObject({
  tag: image.optional(),
  key: key.optional(),
});

export const resolveAnswer = z
  .object({
    environment: z.string(),
    action: z.enum(["spawn", "reuse", "wait", "refuse"]),
    backend_id: z.string().optional().describe("Who holds the key"),
    image: z.string(),
    digest: digest.nullable(),
    revision: z.int().positive(),
    cluster: z.string().nullable(),
    refusals: z.array(z.object({ code: z.string(), message: z.string() })),
  })
  .meta({ id: "Resolution" });
export type ResolveAnswer = z.infer<typeof resolveAnswer>;
