import { z } from "zod";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { newSigningSecret, secretSource } from "../../credentials/secrets.ts";
import { parseInput } from "../../input.ts";
import { deliveryLog } from "../../views/delivery-log.ts";
import { Command } from "../elements/command.tsx";
import { pathOf } from "../elements/paths.ts";
import { Time } from "../elements/time.tsx";
import { readAttempt } from "../frame/form-attempt.tsx";
import type { Submitted } from "../frame/page.ts";
import type { PageCall } from "../frame/page-call.ts";
import type { View } from "../frame/view.ts";
import { answerText } from "./delivery-attempts.tsx";

type ClusterCall = Pick<PageCall<{ cluster: string }>, "env" | "visitor" | "path" | "params">;
type Fields = Record<string, string>;

const accountOf = ({ env, visitor }: ClusterCall) => accountStub(env, visitor.identity.account);

/** A failed delivery is answered with its outcome, under the status of a failed gateway. */
function notDelivered(what: string, outcome: { status: number | null; duration_ms: number; error: string }) {
  const code = outcome.status === null ? "cluster_unavailable" : "cluster_bad_answer";
  return fail(code, `${what} was not delivered: ${answerText(outcome)}; ${outcome.error}`);
}

async function ping(call: ClusterCall): Promise<Result<Submitted>> {
  const tested = await accountOf(call).testCluster(call.params.cluster);
  if (!tested.ok) return tested;
  const { delivered, status = null, duration_ms, error = "no reason is known" } = tested.value;
  const outcome = { status, duration_ms };
  return delivered
    ? ok({ done: `The ping was delivered: ${answerText(outcome)}.` })
    : notDelivered("the ping", { ...outcome, error });
}

const redeliverFields = z.object({ delivery: z.string().regex(/^[\w-]{1,200}$/, "is not a delivery's id") });

async function redeliver(call: ClusterCall, fields: Fields): Promise<Result<Submitted>> {
  const read = parseInput(redeliverFields, fields, "bad form");
  if (!read.ok) return read;
  const { delivery } = read.value;
  const { env, visitor, params } = call;
  const { account } = visitor.identity;
  const log = await deliveryLog(env, account, params.cluster);
  if (!log.ok) return log;
  const sent = await log.value.redeliver(account, params.cluster, delivery);
  if (!sent.ok) return sent;
  const { attempt, error, ...outcome } = sent.value;
  return error === null
    ? ok({ done: `${delivery} was delivered by attempt ${attempt}: ${answerText(outcome)}.` })
    : notDelivered(`attempt ${attempt} of ${delivery}`, { ...outcome, error });
}

async function makeDefault(call: ClusterCall): Promise<Result<Submitted>> {
  const { cluster } = call.params;
  const patched = await accountOf(call).patchCluster(cluster, { default: true }, call.visitor.caller);
  return patched.ok ? ok({ done: `${cluster} is the account's default cluster now.` }) : patched;
}

async function rotate(call: ClusterCall, fields: Fields): Promise<Result<Submitted>> {
  const { env, visitor, params } = call;
  const idempotency = await readAttempt(call, fields, { rotate: params.cluster });
  if (!idempotency.ok) return idempotency;
  const source = secretSource(env, visitor.identity.account, idempotency.value);
  const secret = await newSigningSecret(source);
  const rotated = await accountOf(call).rotateSecret(params.cluster, secret, {
    ...visitor.caller,
    idempotency: idempotency.value,
  });
  if (!rotated.ok) return rotated;
  return ok({ once: rotatedView(params.cluster, secret, rotated.value.previous_valid_until) });
}

function rotatedView(cluster: string, secret: string, previousUntil: string): View {
  return {
    title: "New signing secret",
    trail: [
      { text: "Clusters", path: pathOf.clusters() },
      { text: cluster, path: pathOf.cluster(cluster) },
    ],
    body: (
      <>
        <p>This signs the webhooks to {cluster} from now on. Copy it now: it is shown this once.</p>
        <Command>{secret}</Command>
        <p>
          The former one signs too until <Time at={previousUntil} />. Until then, put the new one in its
          place, in the file that the agent reads its signing secret from, and start the agent again. A
          cluster that answers the webhooks by itself is to accept the new one by then.
        </p>
        <p>
          <a href={pathOf.cluster(cluster)}>Back to {cluster}, to send it a ping</a>
        </p>
      </>
    ),
  };
}

async function remove(call: ClusterCall): Promise<Result<Submitted>> {
  const { cluster } = call.params;
  const deleted = await accountOf(call).deleteCluster(cluster, call.visitor.caller);
  return deleted.ok ? ok({ done: `Cluster ${cluster} is deleted.`, path: pathOf.clusters() }) : deleted;
}

/** The forms of a cluster's page. */
export const clusterForms = {
  ping: { action: "admin", submit: ping },
  redeliver: { action: "admin", submit: redeliver },
  "make-default": { action: "admin", submit: makeDefault },
  rotate: { action: "admin", submit: rotate },
  delete: { action: "admin", submit: remove },
} as const;
