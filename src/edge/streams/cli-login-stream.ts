import { loginWaitMs } from "../../domain/limits.ts";
import { budgetSpent, unreached } from "../../objects/failures/unreached.ts";
import type { CliLoginStatus } from "../../protocol/jamsocket/login.ts";
import { sseEvent } from "../../protocol/sse.ts";
import { pulledStream } from "./pulled-stream.ts";

const retryMs = 1_000;

/** Waits for a login's confirmation, as `LoginRpc.waitConfirmed` does. */
interface LoginWait {
  waitConfirmed(ms: number): Promise<boolean>;
}

/**
 * The server-sent events of a login: one `ok` once somebody has confirmed it, or one `expired` at its expiry, after
 * which the CLI has its user start over. Polls the object with calls that wait for a limited time, since a longer one
 * would not survive the object's restart.
 * @param expiresAt the login's expiry, in milliseconds since the epoch
 */
export function followCliLogin(login: LoginWait, expiresAt: number): ReadableStream<Uint8Array> {
  let hasLeft = false;
  return pulledStream({
    async next() {
      const isConfirmed = await untilConfirmed(login, expiresAt, () => hasLeft);
      const status: CliLoginStatus = { status: isConfirmed ? "ok" : "expired" };
      return { items: [new TextEncoder().encode(sseEvent(status))], isLast: true };
    },
    release() {
      hasLeft = true;
    },
  });
}

async function untilConfirmed(login: LoginWait, expiresAt: number, hasLeft: () => boolean): Promise<boolean> {
  for (;;) {
    const leftMs = expiresAt - Date.now();
    if (leftMs <= 0 || hasLeft()) return false;
    try {
      const waitMs = Math.min(leftMs, loginWaitMs);
      const since = Date.now();
      if (await login.waitConfirmed(waitMs)) return true;
      // Too many wait: one that looked again at once would only take another's turn.
      if (Date.now() - since < waitMs / 2) await pause();
    } catch (error) {
      if (budgetSpent(error)) return false;
      if (!unreached(error)) throw error;
      await pause();
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, retryMs));
}
