import { DurableObject } from "cloudflare:workers";
import {
  confirmLogin,
  type LoginPerson,
  loginCode,
  loginNotFound,
  tryLoginCode,
} from "../../domain/credentials/login-attempt.ts";
import { ok, type Result } from "../../domain/result.ts";
import { constantTimeEqual } from "../../protocol/tokens/access-token.ts";
import { Alarm } from "../alarm.ts";
import type { LoginRpc } from "../contract.ts";
import { Database } from "../database.ts";
import type { Env } from "../env.ts";
import { loginMigrations, loginSql } from "./login.sql.ts";

const waitAtMostMs = 60_000;

/**
 * One login of the CLI at a browser, from its confirmation by a person to its end. What nobody has confirmed is
 * kept nowhere: anybody may begin a login, and must not fill storage by it.
 */
export class Login extends DurableObject<Env> implements LoginRpc {
  #db = this.#open();
  readonly #alarm = new Alarm(this.ctx);
  /** Told when the login is confirmed. */
  readonly #waiting = new Set<() => void>();

  async confirm(person: LoginPerson & { expiresAt: number }): Promise<Result<{ code: string }>> {
    const now = Date.now();
    const known = this.#attempt();
    const confirmed = confirmLogin(known, person, () => loginCode(random16), now);
    if (!confirmed.ok) return confirmed;
    const { code, expiresAt } = confirmed.value;
    if (!known) {
      this.#db.migrate();
      loginSql(this.#db).keep(confirmed.value);
      this.#alarm.noLaterThan(expiresAt);
      for (const tell of this.#waiting) tell();
    }
    return ok({ code });
  }

  async complete(code: string): Promise<Result<LoginPerson>> {
    const known = this.#attempt();
    if (!known) return loginNotFound();
    const { attempt, answer } = tryLoginCode(known, constantTimeEqual(known.code, code), Date.now());
    if (attempt !== known) loginSql(this.#db).keep(attempt);
    return answer;
  }

  async waitConfirmed(ms: number): Promise<boolean> {
    if (this.#attempt()) return true;
    return new Promise((resolve) => {
      const answer = (isConfirmed: boolean) => {
        clearTimeout(timer);
        this.#waiting.delete(confirmed);
        resolve(isConfirmed);
      };
      const confirmed = () => answer(true);
      const timer = setTimeout(() => answer(false), Math.min(ms, waitAtMostMs));
      this.#waiting.add(confirmed);
    });
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    const attempt = this.#attempt();
    if (attempt && Date.now() < attempt.expiresAt) return this.#alarm.noLaterThan(attempt.expiresAt);
    await this.ctx.storage.deleteAll();
    this.#db = this.#open();
  }

  #attempt() {
    return this.#db.ready ? loginSql(this.#db).attempt() : undefined;
  }

  #open(): Database {
    return new Database(this.ctx.storage, loginMigrations);
  }
}

function random16(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
}
