import type { Result } from "../../../domain/result.ts";
import type { Env } from "../../../objects/env.ts";
import { accountStub } from "../../../objects/stubs.ts";
import type { Account } from "../../../protocol/v3/accounts.ts";
import { sizeText } from "../elements/amount-text.ts";
import { Table } from "../elements/table.tsx";
import type { Visitor } from "../frame/page-call.ts";

/** The data of the section. */
export function quotasOf(env: Env, { identity }: Visitor): Promise<Result<Account>> {
  return accountStub(env, identity.account).describe();
}

/** What the account stores of what is limited; the limits are the deployment's to set. */
export function Quotas({ account }: { account: Account }) {
  return (
    <section>
      <h2>Quotas</h2>
      <Table caption="What the account stores, and may store" head={["Quota", "Used", "Limit"]}>
        {Object.entries(account.quotas).map(([name, { used, limit }]) => (
          <tr>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>
              {amountText(name, used)}
              {used >= limit ? " (nothing can be added)" : null}
            </td>
            <td>{amountText(name, limit)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function amountText(name: string, amount: number): string {
  return name.endsWith("_bytes") ? sizeText(amount) : String(amount);
}
