import { checkReach, type Scope } from "../../../domain/credentials/access.ts";
import { upstreamFault } from "../../../domain/deploys/gates.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { EnvironmentSettingsBody } from "../../../protocol/v3/services.ts";
import { settingsOf } from "../environment-index.ts";
import type { ServiceState } from "../state.ts";

/**
 * Whether gates name upstreams that there are, in no circle: `bad_request` otherwise.
 * @param allowed those that the caller is narrowed to: it names no others
 */
export function checkUpstreams(
  state: ServiceState,
  name: string,
  settings: EnvironmentSettingsBody | undefined,
  allowed: Scope["environments"],
): Result<null> {
  const from = settings?.gates?.from;
  if (!from) return ok(null);
  for (const upstream of from) {
    const reach = checkReach(allowed, upstream);
    if (!reach.ok) return reach;
  }
  const fault = upstreamFault(name, from, (upstream) => {
    const row = state.environments.get(upstream);
    return row && (settingsOf(row).gates?.from ?? []);
  });
  return fault === null ? ok(null) : fail("bad_request", fault);
}
