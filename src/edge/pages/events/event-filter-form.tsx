import { eventTypes } from "../../../domain/events.ts";
import type { Identity } from "../../../objects/contract.ts";
import type { EventQuery } from "../../../protocol/v3/events.ts";
import { pathOf } from "../elements/paths.ts";

/** The filter of the events. Names are free text: what they name may be deleted. @param scope of the visitor's token */
export function EventFilterForm({
  filter,
  scope,
}: {
  filter: Omit<EventQuery, "limit" | "cursor">;
  scope: Pick<Identity, "service">;
}) {
  // A token that is narrowed to a service sees the events of that one, and none of clusters.
  const isWhole = scope.service === undefined;
  return (
    <form method="get" action={pathOf.events()} class="filter" aria-label="Which events to show">
      {isWhole ? <NameField name="service" label="Service" value={filter.service} /> : null}
      <NameField name="environment" label="Environment" value={filter.environment} />
      {isWhole ? <NameField name="cluster" label="Cluster" value={filter.cluster} /> : null}
      <label>
        <span>Type</span>
        <select name="type">
          <option value="">all</option>
          {eventTypes.map((type) => (
            <option value={type} selected={type === filter.type}>
              {type}
            </option>
          ))}
        </select>
      </label>
      <div>
        <button type="submit">Show</button>
      </div>
    </form>
  );
}

function NameField({ name, label, value }: { name: string; label: string; value: string | undefined }) {
  return (
    <label>
      <span>{label}</span>
      <input name={name} value={value ?? ""} maxlength={40} autocomplete="off" spellcheck={false} />
    </label>
  );
}
