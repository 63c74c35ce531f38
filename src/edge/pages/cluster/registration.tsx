import { z } from "zod";
import { ok, type Result } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { formatAccessToken } from "../../../protocol/tokens/access-token.ts";
import { createClusterBody } from "../../../protocol/v3/clusters.ts";
import { newAgentSecret, newSigningSecret, secretSource } from "../../credentials/secrets.ts";
import { parseInput } from "../../input.ts";
import { originOf } from "../../origin.ts";
import { Command } from "../elements/command.tsx";
import { Form } from "../elements/form.tsx";
import { pathOf } from "../elements/paths.ts";
import { AttemptField, readAttempt } from "../frame/form-attempt.tsx";
import type { Submitted } from "../frame/page.ts";
import type { PageCall, Visitor } from "../frame/page-call.ts";
import type { View } from "../frame/view.ts";
import { agentCommand } from "./agent-command.ts";

/** The form that registers a cluster; `registerForm` handles it. */
export function RegisterCluster({ visitor }: { visitor: Visitor }) {
  return (
    <Form visitor={visitor} path={pathOf.clusters()} label="Register a cluster">
      <AttemptField />
      <div class="fields">
        <label>
          <span>Name: lower case letters, digits and hyphens</span>
          <input name="name" required maxlength={40} autocomplete="off" spellcheck={false} />
        </label>
        <label>
          <span>Webhook URL (an agent's ends with /webhook)</span>
          <input
            name="webhook_url"
            type="url"
            required
            placeholder="https://eu.example.com/webhook"
            autocomplete="off"
          />
        </label>
        <label>
          <span>Backend URL template (empty: the cluster says each backend's URL)</span>
          <input
            name="backend_url_template"
            placeholder="https://{backend_id}.eu.example.com"
            autocomplete="off"
            spellcheck={false}
          />
        </label>
        <div>
          <button type="submit" name="do" value="register">
            Register the cluster
          </button>
        </div>
      </div>
    </Form>
  );
}

/** Maps a form's fields to the API's body, without those that were left empty. */
const registerFields = z
  .object({
    name: z.string(),
    webhook_url: z.string().trim(),
    backend_url_template: z.string().trim().default(""),
  })
  .transform(({ backend_url_template: template, ...rest }) =>
    template === "" ? rest : { ...rest, backend_url_template: template },
  );

type ClustersCall = Pick<PageCall, "env" | "request" | "visitor" | "path">;

/** Registers a cluster, and shows its secrets on this answer only. */
export const registerForm = {
  action: "admin",
  async submit(call: ClustersCall, fields: Record<string, string>): Promise<Result<Submitted>> {
    const { env, request, visitor } = call;
    const read = parseInput(registerFields, fields, "bad form");
    if (!read.ok) return read;
    const body = parseInput(createClusterBody, read.value, "bad form");
    if (!body.ok) return body;
    const idempotency = await readAttempt(call, fields, body.value);
    if (!idempotency.ok) return idempotency;

    const { account } = visitor.identity;
    const source = secretSource(env, account, idempotency.value);
    const [agent, signingSecret] = await Promise.all([newAgentSecret(source), newSigningSecret(source)]);
    const created = await accountStub(env, account).createCluster(
      body.value,
      { id: agent.id, secretHash: agent.secretHash },
      signingSecret,
      { ...visitor.caller, idempotency: idempotency.value },
    );
    if (!created.ok) return created;
    const agentToken = formatAccessToken({ account, id: agent.id, secret: agent.secret });
    return ok({ once: secretsView(body.value.name, agentToken, signingSecret, originOf(env, request)) });
  },
} as const;

/** The secrets: of the token only a hash is stored, and no page or answer shows the signing secret again. */
function secretsView(name: string, agentToken: string, signingSecret: string, api: string): View {
  const files = `printf '%s\\n' ${agentToken} > agent-token\nprintf '%s\\n' ${signingSecret} > signing-secret`;
  return {
    title: "Cluster registered",
    trail: [{ text: "Clusters", path: pathOf.clusters() }],
    body: (
      <>
        <p>
          Cluster <a href={pathOf.cluster(name)}>{name}</a> is registered. Copy its two secrets now: they are
          shown this once.
        </p>
        <h2>Agent token</h2>
        <p>By this the cluster's agent speaks to Slipway.</p>
        <Command>{agentToken}</Command>
        <h2>Signing secret</h2>
        <p>By this the cluster knows that a webhook is Slipway's.</p>
        <Command>{signingSecret}</Command>
        <h2>Start the agent</h2>
        <p>On a machine where the webhook URL leads, put both into files that nobody else can read:</p>
        <Command>{`umask 077\n${files}`}</Command>
        <p>Then start the agent there. It listens on 127.0.0.1:8790 unless its options say otherwise.</p>
        <Command>{agentCommand(name, api)}</Command>
        <p>
          <a href={pathOf.cluster(name)}>See how the cluster is</a>
        </p>
      </>
    ),
  };
}
