import { permits } from "../../../domain/credentials/access.ts";
import { ok } from "../../../domain/result.ts";
import type { Identity } from "../../../objects/contract.ts";
import { pathOf } from "../elements/paths.ts";
import { Time } from "../elements/time.tsx";
import { definePage } from "../frame/page.ts";
import { accessTokenForms } from "./access-token-forms.tsx";
import { AccessTokens, accessTokensOf } from "./access-tokens.tsx";
import { Quotas, quotasOf } from "./quotas-section.tsx";
import { Sessions, sessionForms, sessionsOf } from "./sessions-section.tsx";
import { rightsText, scopeText } from "./token-scope.ts";

/** The visitor's own login, and the sections of the account that they may manage. */
export const settingsPage = definePage({
  path: "/settings",
  action: "read",
  anyScope: true,
  async show({ env, visitor, query, path }) {
    const may = permits(visitor.identity, "admin", {});
    const listed = may.ok ? await accessTokensOf(env, visitor, query) : null;
    if (listed && !listed.ok) return listed;
    const sessions = may.ok ? await sessionsOf(env, visitor, query) : null;
    if (sessions && !sessions.ok) return sessions;
    const mayReadAll = permits(visitor.identity, "read", {}).ok;
    const quotas = mayReadAll ? await quotasOf(env, visitor) : null;
    if (quotas && !quotas.ok) return quotas;
    return ok({
      title: "Settings",
      body: (
        <>
          <OwnToken identity={visitor.identity} />
          {listed ? (
            <AccessTokens listed={listed.value} {...{ visitor, query, path }} />
          ) : (
            <section>
              <h2>Access tokens</h2>
              {may.ok ? null : <p>You may not see or make tokens: {may.error.message}.</p>}
            </section>
          )}
          {sessions ? <Sessions listed={sessions.value} {...{ visitor, query, path }} /> : null}
          {quotas ? <Quotas account={quotas.value} /> : null}
          <section>
            <h2>Signing secrets</h2>
            <p>
              Each cluster has its own, which is rotated on its page: <a href={pathOf.clusters()}>clusters</a>
              .
            </p>
          </section>
        </>
      ),
    });
  },
  forms: { ...accessTokenForms, ...sessionForms },
});

function OwnToken({ identity }: { identity: Identity }) {
  return (
    <section>
      <h2>Logged in as</h2>
      <dl class="facts">
        <dt>Account</dt>
        <dd>{identity.account}</dd>
        <dt>Token</dt>
        <dd>
          <bdi>{identity.tokenName}</bdi> <code>{identity.tokenId}</code>
        </dd>
        <dt>Role</dt>
        <dd>{identity.role}</dd>
        <dt>Rights</dt>
        <dd>{rightsText(identity)}</dd>
        <dt>May act on</dt>
        <dd>{scopeText(identity)}</dd>
        <dt>Expires</dt>
        <dd>{identity.expiresAt === undefined ? "never" : <Time at={identity.expiresAt} />}</dd>
      </dl>
    </section>
  );
}
