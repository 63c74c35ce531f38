import { ok, type Result } from "../../../domain/result.ts";
import type { Env } from "../../../objects/env.ts";
import { accountStub } from "../../../objects/stubs.ts";
import type { Token } from "../../../protocol/v3/accounts.ts";
import { type Page as ListPage, listQuery } from "../../../protocol/v3/list.ts";
import { parseInput } from "../../input.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import { Paging } from "../elements/paging.tsx";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import type { Visitor } from "../frame/page-call.ts";
import { queryFields } from "../frame/query-fields.ts";
import { CreateTokenForm } from "./token-form.tsx";
import { rightsText, scopeText } from "./token-scope.ts";

interface Listed {
  tokens: ListPage<Token>;
  services: string[];
}

/** The data of the section. */
export async function accessTokensOf(
  env: Env,
  { identity }: Visitor,
  query: URLSearchParams,
): Promise<Result<Listed>> {
  const parsed = parseInput(listQuery, queryFields(query, ["cursor"]), "bad query");
  if (!parsed.ok) return parsed;
  const account = accountStub(env, identity.account);
  const [tokens, services] = await Promise.all([account.listTokens(parsed.value), account.serviceNames()]);
  if (!tokens.ok) return tokens;
  if (!services.ok) return services;
  return ok({ tokens: tokens.value, services: services.value });
}

/** The account's tokens, with the forms that create and revoke them. */
export function AccessTokens({
  listed: { tokens, services },
  visitor,
  query,
  path,
}: {
  listed: Listed;
  visitor: Visitor;
  query: URLSearchParams;
  path: string;
}) {
  return (
    <section>
      <h2>Access tokens</h2>
      <Table
        caption="Access tokens of the account, newest first"
        head={["Name", "Role, rights", "May act on", "Created, by", "Expires", "Revoke"]}
      >
        {tokens.items.map((token) => (
          <tr>
            <th scope="row">
              <bdi>{token.name}</bdi>
              {token.id === visitor.identity.tokenId ? " (yours)" : null}
            </th>
            <td>
              {token.role}
              {token.rights.length === 0 ? null : <div>{rightsText(token)}</div>}
            </td>
            <td>{scopeText(token)}</td>
            <td>
              <Time at={token.created_at} />
              {token.made_by === null ? null : (
                <div>
                  by <bdi>{token.made_by.token_name}</bdi>
                </div>
              )}
            </td>
            <td>{token.expires_at === undefined ? "never" : <Time at={token.expires_at} />}</td>
            <td>
              <Revoke token={token} visitor={visitor} path={path} />
            </td>
          </tr>
        ))}
      </Table>
      <Paging what="tokens" list={tokens} query={query} path={path} />
      <h3>Create a token</h3>
      <CreateTokenForm services={services} visitor={visitor} path={path} />
    </section>
  );
}

function Revoke({ token, visitor, path }: { token: Token; visitor: Visitor; path: string }) {
  if (token.cluster !== undefined) return <>goes with its cluster</>;
  const isOwn = token.id === visitor.identity.tokenId;
  return (
    <Confirm summary="Revoke">
      <p>
        Whoever uses <bdi>{token.name}</bdi> is shut out within 10 seconds
        {isOwn ? ", and that is you: you are logged in with it" : ""}. It cannot be taken back.
      </p>
      <Form visitor={visitor} path={path}>
        <input type="hidden" name="id" value={token.id} />
        <button type="submit" name="do" value="revoke-token" class="danger">
          Revoke the token
        </button>
      </Form>
    </Confirm>
  );
}
