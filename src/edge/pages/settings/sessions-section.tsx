import { z } from "zod";
import { ok, type Result } from "../../../domain/result.ts";
import type { Env } from "../../../objects/env.ts";
import { accountStub } from "../../../objects/stubs.ts";
import type { Page as ListPage } from "../../../protocol/v3/list.ts";
import type { Session } from "../../../protocol/v3/sessions.ts";
import { parseInput } from "../../input.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import { Paging } from "../elements/paging.tsx";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import type { Submitted } from "../frame/page.ts";
import type { PageCall, Visitor } from "../frame/page-call.ts";
import { queryFields } from "../frame/query-fields.ts";

const sessionsShown = 50;

/** The query field of the cursor of a page of sessions. */
const sessionsField = "sessions";

/** The live sessions, newest first. */
export function sessionsOf(
  env: Env,
  { identity }: Visitor,
  query: URLSearchParams,
): Promise<Result<ListPage<Session>>> {
  const { [sessionsField]: cursor } = queryFields(query, [sessionsField]);
  return accountStub(env, identity.account).listSessions({ limit: sessionsShown, cursor });
}

/** The account's sessions, each with a button that ends it. */
export function Sessions({
  listed,
  visitor,
  query,
  path,
}: {
  listed: ListPage<Session>;
  visitor: Visitor;
  query: URLSearchParams;
  path: string;
}) {
  const own = visitor.identity.session?.id;
  return (
    <section>
      <h2>Sessions</h2>
      {listed.items.length === 0 ? (
        <p>Nobody is logged in by a browser or by the browser login of the command line.</p>
      ) : (
        <Table
          caption="Logins that are live, newest first"
          head={["Where", "Program", "Token", "Since", "Until", "End"]}
        >
          {listed.items.map((session) => (
            <tr>
              <th scope="row">
                {session.kind === "cli" ? "command line" : "browser"}
                {session.id === own ? " (this one)" : null}
              </th>
              <td>
                <bdi>{session.user_agent || "unknown"}</bdi>
              </td>
              <td>
                <code>{session.token_id}</code>
              </td>
              <td>
                <Time at={session.created_at} />
              </td>
              <td>
                <Time at={session.expires_at} />
              </td>
              <td>
                <Confirm summary="End">
                  <p>Whoever uses this session has to log in again.</p>
                  <Form visitor={visitor} path={path}>
                    <input type="hidden" name="id" value={session.id} />
                    <button type="submit" name="do" value="end-session" class="danger">
                      End the session
                    </button>
                  </Form>
                </Confirm>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Paging what="sessions" list={listed} field={sessionsField} query={query} path={path} />
    </section>
  );
}

const endFields = z.object({ id: z.string().regex(/^[0-9a-z]{12}$/, "is not the id of a session") });

async function endSession(
  { env, visitor, forget }: PageCall<unknown>,
  fields: Record<string, string>,
): Promise<Result<Submitted>> {
  const read = parseInput(endFields, fields, "bad form");
  if (!read.ok) return read;
  const { account } = visitor.identity;
  const ended = await accountStub(env, account).deleteSession(read.value.id, visitor.caller);
  if (!ended.ok) return ended;
  forget(read.value.id);
  return ok({ done: "The session has ended; it stops working within 10 seconds." });
}

export const sessionForms = { "end-session": { action: "admin", submit: endSession } } as const;
