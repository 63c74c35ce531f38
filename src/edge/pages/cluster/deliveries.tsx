import { webhookName } from "../../../domain/deliveries/redelivery.ts";
import type { DeliveryQuery, DeliveryView } from "../../../protocol/v3/deliveries.ts";
import type { Page as ListPage } from "../../../protocol/v3/list.ts";
import { definedFields } from "../../defined-fields.ts";
import { Badge } from "../elements/badges/badge.tsx";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Form } from "../elements/form.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import type { Visitor } from "../frame/page-call.ts";

const outcomes = {
  delivered: { kind: "good", text: "delivered" },
  retrying: { kind: "busy", text: "retrying" },
  refused: { kind: "bad", text: "refused" },
  given_up: { kind: "bad", text: "given up" },
} as const satisfies Record<DeliveryView["outcome"], unknown>;

interface Shown {
  visitor: Visitor;
  /** Of the page. */
  path: string;
  mayRedeliver: boolean;
}

/** The deliveries of a cluster, with the outcome of each attempt, newest first. */
export function Deliveries({
  cluster,
  listed,
  outcome,
  ...shown
}: Shown & {
  cluster: string;
  listed: ListPage<DeliveryView>;
  outcome: DeliveryQuery["outcome"];
}) {
  const { path, mayRedeliver } = shown;
  return (
    <section aria-labelledby="deliveries">
      <h2 id="deliveries">Deliveries</h2>
      <Filter path={path} outcome={outcome} />
      {listed.items.length === 0 ? (
        <NoDeliveries cluster={cluster} outcome={outcome} />
      ) : (
        <Table
          caption="Webhooks of the last 7 days, newest first"
          head={["Webhook", "About", "Outcome", "Attempts", ...(mayRedeliver ? ["Send again"] : [])]}
        >
          {listed.items.map((delivery) => (
            <DeliveryRow delivery={delivery} {...shown} />
          ))}
        </Table>
      )}
      <Paging
        what="deliveries"
        back="Later deliveries"
        forward="Earlier deliveries"
        list={listed}
        query={new URLSearchParams(definedFields({ outcome }))}
        path={path}
      />
    </section>
  );
}

function Filter({ path, outcome }: { path: string; outcome: DeliveryQuery["outcome"] }) {
  return (
    <form method="get" action={path} class="filter" aria-label="Which deliveries to show">
      <label>
        <span>Outcome</span>
        <select name="outcome">
          <option value="">all</option>
          <option value="delivered" selected={outcome === "delivered"}>
            delivered
          </option>
          <option value="failed" selected={outcome === "failed"}>
            not delivered (yet)
          </option>
        </select>
      </label>
      <div>
        <button type="submit">Show</button>
      </div>
    </form>
  );
}

function NoDeliveries({ cluster, outcome }: { cluster: string; outcome: DeliveryQuery["outcome"] }) {
  if (outcome === "failed") return <Empty what="Every webhook of the last 7 days was delivered." />;
  if (outcome === "delivered") return <Empty what="No webhook was delivered in the last 7 days." />;
  return (
    <Empty what="Nothing was sent to this cluster in the last 7 days. See whether it can be reached, with the button above or so:">
      <Command>{`npx slipway clusters test ${cluster}`}</Command>
    </Empty>
  );
}

function DeliveryRow({ delivery, visitor, path, mayRedeliver }: Shown & { delivery: DeliveryView }) {
  const { id, type, attempts, outcome } = delivery;
  const { kind, text } = outcomes[outcome];
  return (
    <tr id={`delivery-${id}`}>
      <th scope="row">
        {type}
        <br />
        <code>{id}</code>
      </th>
      <td>
        <About delivery={delivery} account={visitor.identity.account} />
      </td>
      <td>
        <Badge kind={kind}>{text}</Badge>
      </td>
      <td>
        <div class="met">
          <Attempts attempts={attempts} />
        </div>
      </td>
      {mayRedeliver ? (
        <td>
          {webhookName(id) === null ? (
            "send another ping instead"
          ) : (
            <Form visitor={visitor} path={path}>
              <input type="hidden" name="delivery" value={id} />
              <button type="submit" name="do" value="redeliver" class="plain">
                Redeliver<span class="unseen"> {id}</span>
              </button>
            </Form>
          )}
        </td>
      ) : null}
    </tr>
  );
}

function About({ delivery, account }: { delivery: DeliveryView; account: string }) {
  const { service, environment, backend_id: backend } = delivery;
  if (service === undefined) return <>the cluster itself</>;
  return (
    <>
      <a href={pathOf.service(account, service)}>{service}</a>
      {environment === undefined ? null : (
        <>
          {" / "}
          <a href={pathOf.environment(account, service, environment)}>{environment}</a>
        </>
      )}
      {backend === undefined ? null : (
        <>
          <br />
          <a href={pathOf.backend(backend)}>
            <code>{backend}</code>
          </a>
        </>
      )}
    </>
  );
}

import { Attempts } from "./delivery-attempts.tsx";
