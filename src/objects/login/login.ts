import { DurableObject } from "cloudflare:workers";
import {
  confirmLogin,
  type LoginPerson,
  loginCode,
  loginNotFound,
  tryLoginCode,
} from "../../domain/credentials/login-attempt.ts";
import { loginWaitsAtOnce } from "../../domain/limits.ts";
import { ok, type Result } from "../../domain/result.ts";
import { constantTimeEqual } from "../../protocol/tokens/access-token.ts";
import { Alarm } from "../alarm.ts";
import type { LoginRpc } from "../contract.ts";
import type { Env } from "../env.ts";
import { LoginState } from "./state.ts";

const waitAtMostMs = 60_000;

/**
 * Logins of the CLI at a browser, from their confirmation by a person to their end. What nobody has confirmed is kept
 * nowhere, and an object takes care of many: anybody may begin a login, and must not fill storage by it.
 */
export class Login extends DurableObject<Env> implements LoginRpc {
  readonly #state = new LoginState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx);
  /** Those who wait for a login to be confirmed, the one that has waited for the longest first. */
  readonly #waiting = new Map<(isConfirmed: boolean) => void, string>();

  async confirm(id: string, person: LoginPerson & { expiresAt: number }): Promise<Result<{ code: string }>> {
    const now = Date.now();
    const known = this.#state.attempt(id);
    const confirmed = confirmLogin(known, person, () => loginCode(random16), now);
    if (!confirmed.ok) return confirmed;
    const { code, expiresAt } = confirmed.value;
    if (!known) {
      this.#state.keep(id, confirmed.value);
      this.#alarm.noLaterThan(expiresAt);
      for (const [answer, waitsFor] of this.#waiting) if (waitsFor === id) answer(true);
    }
    return ok({ code });
  }

  async complete(id: string, code: string): Promise<Result<LoginPerson>> {
    const known = this.#state.attempt(id);
    if (!known) return loginNotFound();
    const { attempt, answer } = tryLoginCode(known, constantTimeEqual(known.code, code), Date.now());
    if (attempt !== known) this.#state.keep(id, attempt);
    return answer;
  }

  async waitConfirmed(id: string, ms: number): Promise<boolean> {
    if (this.#state.attempt(id)) return true;
    const [longest] = this.#waiting.size < loginWaitsAtOnce ? [] : this.#waiting.keys();
    longest?.(false);
    return new Promise((resolve) => {
      const answer = (isConfirmed: boolean) => {
        clearTimeout(timer);
        this.#waiting.delete(answer);
        resolve(isConfirmed);
      };
      const timer = setTimeout(() => answer(false), Math.min(ms, waitAtMostMs));
      this.#waiting.set(answer, id);
    });
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#alarm.noLaterThan(await this.#state.forgetOver(Date.now()));
  }
}

function random16(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
}
