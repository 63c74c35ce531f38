import { z } from "zod";
import { choicesOfferedMax } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import type { EnvironmentChoice } from "../../../objects/contract.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import { backendQuery } from "../../../protocol/v3/backends.ts";
import { definedFields } from "../../defined-fields.ts";
import { parseInput } from "../../input.ts";
import { BackendTable } from "../elements/backend-table.tsx";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { NameChoice } from "../elements/name-choice.tsx";
import { Paging } from "../elements/paging.tsx";
import { SearchField } from "../elements/search-form.tsx";
import { serviceTrail } from "../elements/trail.ts";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { RunningTerminations, TerminateAll, terminateAllForm } from "./terminate-all.tsx";

/** The filter of the page: like the API's lists, by whether backends have terminated. */
const filterFields = backendQuery
  .omit({ limit: true })
  .extend({ status: z.enum(["live", "ended"]).default("live") });
export type BackendFilter = z.infer<typeof filterFields>;

/** A service's backends, newest first. */
export const backendsPage = definePage({
  path: "/service/:account/:service/backends",
  action: "read",
  async show({ env, params: { account, service }, query, visitor, path }) {
    const parsed = parseInput(
      filterFields,
      queryFields(query, Object.keys(filterFields.shape)),
      "bad filter",
    );
    if (!parsed.ok) return parsed;
    const { status, ...narrowing } = parsed.value;
    const { environments: allowed } = visitor.actor;
    const owner = serviceStub(env, account, service);
    const [listed, choice, terminations] = await Promise.all([
      owner.listBackends(
        backendQuery.parse(
          definedFields({ ...narrowing, status: status === "ended" ? "terminated" : undefined }),
        ),
        allowed,
      ),
      owner.environmentChoice(narrowing.environment, choicesOfferedMax, allowed),
      owner.listTerminations(allowed),
    ]);
    if (!listed.ok) return listed;
    if (!choice.ok) return choice;
    if (!terminations.ok) return terminations;
    const { items } = listed.value;
    return ok({
      title: `Backends of ${service}`,
      trail: serviceTrail(account, service),
      body: (
        <>
          <Filter filter={parsed.value} environments={choice.value.names} path={path} />
          {items.length === 0 ? (
            <NoBackends filter={parsed.value} target={connectTarget(service, choice.value)} />
          ) : (
            <BackendTable
              backends={items}
              caption={status === "live" ? "Live backends, newest first" : "Ended backends, newest first"}
              {...{ account, service }}
            />
          )}
          <Paging
            what="backends"
            query={new URLSearchParams(definedFields(parsed.value))}
            list={listed.value}
            path={path}
          />
          <RunningTerminations terminations={terminations.value} />
          <TerminateAll
            live={choice.value.live}
            environment={narrowing.environment}
            {...{ service, visitor, path }}
          />
        </>
      ),
    });
  },
  forms: { "terminate-all": terminateAllForm },
});

function Filter({
  filter,
  environments,
  path,
}: {
  filter: BackendFilter;
  environments: readonly string[] | null;
  path: string;
}) {
  return (
    <form method="get" action={path} class="filter" aria-label="Which backends to show">
      <NameChoice
        name="environment"
        label="Environment"
        all="all"
        names={environments}
        chosen={filter.environment}
      />
      <label>
        <span>Status</span>
        <select name="status">
          <option value="live">live</option>
          <option value="ended" selected={filter.status === "ended"}>
            ended
          </option>
        </select>
      </label>
      <SearchField label="Search" begins="id, key, environment, digest" search={filter.search} />
      <label>
        <span>Key</span>
        <input name="key" value={filter.key ?? ""} autocomplete="off" />
      </label>
      <label>
        <span>Image digest</span>
        <input
          name="digest"
          value={filter.digest ?? ""}
          placeholder="sha256:…"
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

/** The target of an example connect: with an environment, if there are others than `default`. */
function connectTarget(service: string, { names, first, defaultEnvironment }: EnvironmentChoice): string {
  const isOnlyDefault = names?.length === 1 && first === "default";
  if (first === null || defaultEnvironment !== null || isOnlyDefault) return service;
  return `${service}/${first}`;
}

function NoBackends({ filter, target }: { filter: BackendFilter; target: string }) {
  const { status, ...narrowing } = filter;
  if (Object.keys(narrowing).length > 0) return <Empty what={`No ${status} backends match this filter.`} />;
  if (status === "ended") return <Empty what="No backend has ended in the last 30 days." />;
  return (
    <Empty what="No backend is live. Start one:">
      <Command>{`jamsocket connect ${target}`}</Command>
    </Empty>
  );
}
