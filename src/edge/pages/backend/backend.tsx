import { ok } from "../../../domain/result.ts";
import { statusChanges } from "../../streams/status-stream.ts";
import { currentStatus, describeBackendTo } from "../../views/backend-views.ts";
import { pathOf } from "../elements/paths.ts";
import { definePage } from "../frame/page.ts";
import { Timeline } from "../plots/timeline.tsx";
import { Facts } from "./facts.tsx";
import { LogSection } from "./log.tsx";
import { heldSince, Release, releaseForm, releaseHeld } from "./release.tsx";
import { hardForm, softForm, Termination, terminateBackend } from "./termination.tsx";
import { UsageSection } from "./usage.tsx";

/** One backend: its facts, its statuses, its output and usage, and the buttons that terminate it. */
export const backendPage = definePage({
  path: "/backend/:id",
  action: "read",
  async show(call) {
    const { env, backend, visitor } = call;
    const described = await describeBackendTo(visitor.actor, env, backend);
    if (!described.ok) return described;
    const record = described.value;
    const { info, history } = record;
    const status = currentStatus(record);
    const isFinal = status.status === "terminated";
    const { account, service } = info;
    const since = isFinal ? undefined : await heldSince(call, info);
    return ok({
      title: `Backend ${info.id}`,
      trail: [
        { text: service, path: pathOf.service(account, service) },
        { text: "Backends", path: pathOf.backends(account, service) },
      ],
      isFinal,
      body: (
        <>
          <Facts record={record} />
          <Release info={info} since={since} visitor={visitor} />
          <Termination info={info} status={status} visitor={visitor} />
          <section id="statuses" class="amounts" aria-labelledby="statuses-heading">
            <h2 id="statuses-heading">Statuses</h2>
            <Timeline history={history} until={Date.now()} />
          </section>
        </>
      ),
      below: (
        <>
          {isFinal ? null : <UsageSection info={info} />}
          <LogSection info={info} />
        </>
      ),
    });
  },
  changes: ({ env, backend }) => statusChanges(env, backend),
  forms: {
    [softForm]: { action: "spawn", submit: (call) => terminateBackend(call, false) },
    [releaseForm]: { action: "admin", submit: releaseHeld },
    [hardForm]: { action: "spawn", submit: (call) => terminateBackend(call, true) },
  },
});
