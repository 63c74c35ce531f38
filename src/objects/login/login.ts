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
import type { Env } from "../env.ts";
import { LoginState } from "./state.ts";

const waitAtMostMs = 60_000;

/**
 * One login of the CLI at a browser, from its confirmation by a person to its end. What nobody has confirmed is
 * kept nowhere: anybody may begin a login, and must not fill storage by it.
 */
export class Login extends DurableObject<Env> implements LoginRpc {
  readonly #state = new LoginState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx);
  /** Called when the login is confirmed. */
  readonly #waiting = new Set<() => void>();

  async confirm(person: LoginPerson & { expiresAt: number }): Promise<Result<{ code: string }>> {
    const now = Date.now();
    const known = this.#state.attempt();
    const confirmed = confirmLogin(known, person, () => loginCode(random16), now);
    if (!confirmed.ok) return confirmed;
    const { code, expiresAt } = confirmed.value;
    if (!known) {
      this.#state.keep(confirmed.value);
      this.#alarm.noLaterThan(expiresAt);
      for (const notify of this.#waiting) notify();
    }
    return ok({ code });
  }

  async complete(code: string): Promise<Result<LoginPerson>> {
    const known = this.#state.attempt();
    if (!known) return loginNotFound();
    const { attempt, answer } = tryLoginCode(known, constantTimeEqual(known.code, code), Date.now());
    if (attempt !== known) this.#state.keep(attempt);
    return answer;
  }

  async waitConfirmed(ms: number): Promise<boolean> {
    if (this.#state.attempt()) return true;
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
    const attempt = this.#state.attempt();
    if (attempt && Date.now() < attempt.expiresAt) return this.#alarm.noLaterThan(attempt.expiresAt);
    await this.#state.clear();
  }
}

function random16(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
}
