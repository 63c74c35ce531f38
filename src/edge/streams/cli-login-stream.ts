import { loginWaitMs } from "../../domain/limits.ts";
import type { LoginRpc } from "../../objects/contract.ts";
import { unreached } from "../../objects/unreached.ts";
import type { CliLoginStatus } from "../../protocol/jamsocket/login.ts";
import { sseEvent } from "../../protocol/sse.ts";

const retryMs = 1_000;

/**
 * The server-sent events of a login: `ok` once somebody has confirmed it, or `expired` at its end, for which the CLI
 * tells its person to begin again; then the end. The object is asked for a while at a time, since a call that lasts
 * does not survive the object's restart.
 * @param expiresAt the login's end, in milliseconds since the epoch
 */
export function followCliLogin(
  login: Pick<LoginRpc, "waitConfirmed">,
  expiresAt: number,
): ReadableStream<Uint8Array> {
  let hasLeft = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const isConfirmed = await untilConfirmed(login, expiresAt, () => hasLeft);
      if (hasLeft) return;
      const status: CliLoginStatus = { status: isConfirmed ? "ok" : "expired" };
      controller.enqueue(new TextEncoder().encode(sseEvent(status)));
      controller.close();
    },
    cancel() {
      hasLeft = true;
    },
  });
}

async function untilConfirmed(
  login: Pick<LoginRpc, "waitConfirmed">,
  expiresAt: number,
  hasLeft: () => boolean,
): Promise<boolean> {
  for (;;) {
    const leftMs = expiresAt - Date.now();
    if (leftMs <= 0 || hasLeft()) return false;
    try {
      if (await login.waitConfirmed(Math.min(leftMs, loginWaitMs))) return true;
    } catch (error) {
      if (!unreached(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}
