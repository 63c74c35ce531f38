import { z } from "zod";
import { changeStates } from "../../domain/deploys/approvals.ts";
import { checkStates } from "../../domain/deploys/gates.ts";
import { digest, image, name, note, tag, timestamp } from "../primitives.ts";
import { listAnswer } from "./list.ts";
import { checkName } from "./protection.ts";

const force = z
  .boolean()
  .optional()
  .describe("An admin's, with a note: past gates, a rejection, windows and a stop; it is written as such");

/** `POST …/environments/{environment}/promote`. */
export const promoteBody = z.strictObject({
  from: name.describe("The environment whose present digest is taken over"),
  digest: digest
    .optional()
    .describe("What it is expected to resolve to; candidate_moved where it does not any more"),
  note: note.optional(),
  force,
});

/** `POST …/environments/{environment}/rollback`. */
export const rollbackBody = z.strictObject({
  to: z
    .union([z.int().positive(), z.enum(["previous", "verified"])])
    .optional()
    .describe(
      "A revision; previous, the default: the last digest before; verified: the last that passed its gates, or ran well here",
    ),
  note: note.optional(),
  force,
});

/** `POST …/environments/{environment}/follow`. */
export const followBody = z.strictObject({
  tag: tag.optional().describe("The tag that was followed until a rollback, where it is left out"),
  note: note.optional(),
});

/** `PUT …/environments/{environment}/stop`. */
export const stopBody = z.strictObject({ reason: note.min(1) });

/** `POST …/images/{digest}/checks`. */
export const checkBody = z.strictObject({
  name: checkName,
  state: z.enum(checkStates),
  url: z
    .url({ protocol: /^https?$/ })
    .max(1000)
    .optional(),
  note: note.optional(),
});
export type CheckBody = z.infer<typeof checkBody>;

const by = z.object({ token_id: z.string(), token_name: z.string() }).nullable();

/** What a check outside says of an image: its newest word. */
export const check = z
  .object({
    name: z.string(),
    state: z.enum(checkStates),
    url: z.string().optional(),
    note: z.string().optional(),
    by,
    at: timestamp,
  })
  .meta({ id: "Check" });
export type Check = z.infer<typeof check>;

/** `GET …/images/{digest}/checks`: by name, one of each. */
export const checkList = z.object({ checks: z.array(check) });

/** A gate, and how far it is met. */
export const gateResult = z
  .object({
    name: z.string().describe("The setting: from, min_ready, max_failed_share, soak_seconds or checks"),
    state: z.enum(checkStates),
    have: z.union([z.number(), z.array(z.string())]).nullable(),
    need: z.union([z.number(), z.array(z.string())]),
    environment: z.string().optional().describe("The upstream that it was judged by"),
    passes_at: timestamp.optional().describe("When it is met if nothing interrupts it"),
    samples: z.int().optional(),
    min_samples: z.int().optional(),
  })
  .meta({ id: "GateResult" });
export type GateAnswer = z.infer<typeof gateResult>;

/** A change that waits, or waited, for approval. */
export const change = z
  .object({
    id: z.string(),
    environment: z.string(),
    kind: z.string().describe("pin, promote, rollback, follow, settings, delete or unstop"),
    state: z
      .enum(changeStates)
      .describe("overtaken: its environment was changed meanwhile; expired: a day after it was requested"),
    digest: digest.nullable().describe("What it brings in"),
    revision: z.int().describe("Of the environment that it is to replace"),
    requested_by: by,
    note: z.string().optional(),
    forced: z.boolean(),
    approvals: z.array(
      z.object({ token_id: z.string(), token_name: z.string(), at: timestamp, note: z.string().optional() }),
    ),
    approvals_needed: z.int(),
    created_at: timestamp,
    expires_at: timestamp,
    ended_at: timestamp.optional(),
    outcome: z.string().optional().describe("A sentence: why it was rejected, or what it met"),
  })
  .meta({ id: "Change" });
export type Change = z.infer<typeof change>;

/** `GET …/environments/{environment}/changes`, newest first. */
export const changeList = listAnswer("changes", change);

/** `POST …/changes/{change}/approve|reject|withdraw`. */
export const changeNoteBody = z.strictObject({ note: note.optional() });

/** A push that was held back. */
export const candidate = z
  .object({
    digest,
    tag: z.string(),
    reason: z.string().describe("candidate, or the code of what held it back"),
    message: z.string(),
    by,
    at: timestamp,
    gates: z.array(gateResult).describe("As they stand now"),
  })
  .meta({ id: "Candidate" });
export type Candidate = z.infer<typeof candidate>;

/** `GET …/environments/{environment}/candidates`: the newest first, all that are kept. */
export const candidateList = z.object({ candidates: z.array(candidate) });

/** A digest that an environment was rolled back from. */
export const rejection = z
  .object({ digest, note: z.string().optional(), by, at: timestamp })
  .meta({ id: "Rejection" });
export type Rejection = z.infer<typeof rejection>;

/** `GET …/environments/{environment}/rejections`: the newest first, all that are kept. */
export const rejectionList = z.object({ rejections: z.array(rejection) });

/** `POST …/rejections/{digest}/lift`. */
export const liftBody = z.strictObject({ note: note.min(1) });

const meaning = z.object({ image, digest: digest.nullable() });

/** What a change would do, where it was requested with `?plan=true`. Nothing was done. */
export const plan = z
  .object({
    plan: z.literal(true),
    environment: z.string(),
    kind: z.string(),
    before: meaning.extend({ revision: z.int() }),
    after: meaning.nullable().describe("null: there would be no environment of the name"),
    gates: z.array(gateResult),
    approvals_needed: z.int(),
    refusals: z
      .array(z.object({ code: z.string(), message: z.string() }))
      .describe("Why it would be refused; empty where it would not"),
    forced: z.array(z.string()).describe("What `force` would override"),
    rejects: digest.optional().describe("What would be rejected: a rollback goes away from it"),
    unfollows: z.string().optional().describe("The tag that would be followed no more"),
    clusters: z.array(z.string()).describe("Those that would be sent the new image"),
    live: z
      .array(z.object({ digest, count: z.int() }))
      .describe("Sessions that run on, by what they run: the most frequent digests"),
    live_total: z.int(),
  })
  .meta({ id: "Plan" });
export type Plan = z.infer<typeof plan>;
