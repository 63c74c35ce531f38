import { isConnectable } from "../../../domain/backends/status.ts";
import type { BackendRecord } from "../../../objects/contract.ts";
import { currentStatus } from "../../views/backend-views.ts";
import { whyEnded } from "../../views/ready-page.ts";
import { durationText } from "../elements/amount-text.ts";
import { StatusBadge } from "../elements/badges/status-badge.tsx";
import { Command } from "../elements/command.tsx";
import { Digest } from "../elements/image-name.tsx";
import { pathOf } from "../elements/paths.ts";
import { Time } from "../elements/time.tsx";
import { shellWord } from "./shell-word.ts";

/** A backend's fixed properties and its current state. */
export function Facts({ record }: { record: BackendRecord }) {
  const { info, history, baseUrl } = record;
  const status = currentStatus(record);
  const { account, service, environment } = info;
  const readyAt = history.find((entry) => entry.status === "ready")?.time;
  return (
    <>
      <dl class="facts">
        <dt>Status</dt>
        <dd>
          <StatusBadge of={status} />
        </dd>
        {isConnectable(status.status) ? null : (
          <>
            <dt>{status.status === "terminated" ? "How it ended" : "Why it ends"}</dt>
            <dd>{whyEnded(status)}</dd>
          </>
        )}
        <dt>Service</dt>
        <dd>
          <a href={pathOf.service(account, service)}>{service}</a>
        </dd>
        <dt>Environment</dt>
        <dd>
          <a href={pathOf.environment(account, service, environment)}>{environment}</a>
        </dd>
        <dt>Key</dt>
        <dd>{info.key === null ? "none" : <code>{info.key}</code>}</dd>
        <dt>Image</dt>
        <dd>
          <Digest of={info.digest} path={pathOf.image(account, service, info.digest)} />
        </dd>
        <dt>Spawned through</dt>
        <dd>
          pin <code>{info.pin.image}</code>, revision {info.pin.revision}
        </dd>
        <dt>Cluster</dt>
        <dd>
          <a href={pathOf.cluster(info.cluster)}>{info.cluster}</a>
        </dd>
        <dt>Fencing token</dt>
        <dd>{info.fencingToken}</dd>
        <dt>Created</dt>
        <dd>
          <Time at={info.createdAt} />
          {readyAt === undefined ? null : `, ready after ${durationText(readyAt - info.createdAt)}`}
        </dd>
        {baseUrl === null || status.status === "terminated" ? null : (
          <>
            <dt>URL</dt>
            <dd>
              <code>{baseUrl}</code>, for whoever has a connection token
            </dd>
          </>
        )}
      </dl>
      {info.key === null || !isConnectable(status.status) ? null : (
        <>
          <p>To connect to it by its key:</p>
          <Command>{`jamsocket connect ${service}/${environment} --key ${shellWord(info.key)}`}</Command>
        </>
      )}
    </>
  );
}
