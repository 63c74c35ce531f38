import type { LoginPerson } from "../../domain/credentials/login-attempt.ts";
import type { Result } from "../../domain/result.ts";

/** @param id of a login, as its verified token says, in each of these */
export interface LoginRpc {
  /**
   * A person confirms the login, and is shown the code; by the same person again, the same code.
   * `login_taken` where somebody else has confirmed it, `login_not_found` where it is over.
   * @param person whose session the CLI will get, with the end of the attempt in milliseconds since the epoch, as its
   *   verified token says
   */
  confirm(id: string, person: LoginPerson & { expiresAt: number }): Promise<Result<{ code: string }>>;
  /**
   * Who has confirmed the login, answered once. `forbidden` for a wrong code, with the tries that are left; the fifth ends
   * the login. `login_not_found` where it is not confirmed, or over.
   */
  complete(id: string, code: string): Promise<Result<LoginPerson>>;
  /** Whether it has been confirmed, now or within `ms` (at most a minute); false sooner where too many wait. */
  waitConfirmed(id: string, ms: number): Promise<boolean>;
}
