import { ok } from "../../domain/result.ts";
import { currentStatus, describeBackendTo } from "../backend-views.ts";
import { statusNews } from "../status-stream.ts";
import { Ending, endBackend, hardEnd, softEnd } from "./backend/ending.tsx";
import { Facts } from "./backend/facts.tsx";
import { LogSection } from "./backend/log.tsx";
import { UsageSection } from "./backend/usage.tsx";
import { definePage } from "./page.ts";
import { pathOf } from "./paths.ts";
import { Timeline } from "./plots/timeline.tsx";

/** One backend: what it is, how it is, what it prints and uses, and how to end it. */
export const backendPage = definePage({
  path: "/backend/:id",
  action: "read",
  async show({ env, backend, visitor }) {
    const described = await describeBackendTo(visitor.actor, env, backend);
    if (!described.ok) return described;
    const record = described.value;
    const { info, history } = record;
    const status = currentStatus(record);
    const isFinal = status.status === "terminated";
    const { account, service } = info;
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
          <Ending info={info} status={status} visitor={visitor} />
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
  news: ({ env, backend }) => statusNews(env, backend),
  forms: {
    [softEnd]: { action: "spawn", submit: (call) => endBackend(call, false) },
    [hardEnd]: { action: "spawn", submit: (call) => endBackend(call, true) },
  },
});
