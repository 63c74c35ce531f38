import { maxIdleSeconds, startupTimeoutSeconds } from "../../../domain/limits.ts";
import type { EnvironmentSettings } from "../../../domain/pins/environments.ts";
import type { EnvironmentSettingsBody } from "../../../protocol/v3/services.ts";

/** Those of an environment that says nothing else. */
export const defaultSettings: EnvironmentSettings = {
  startup_timeout_seconds: startupTimeoutSeconds,
  max_idle_seconds: maxIdleSeconds,
};

/** Settings after a change of some of them. @param change what is left out stays, and null takes one away */
export function mergedSettings(
  settings: EnvironmentSettings,
  change: EnvironmentSettingsBody = {},
): EnvironmentSettings {
  const fields = Object.entries(change).filter(([, value]) => value !== undefined);
  const kept = Object.entries(settings).filter(([field]) => !fields.some(([changed]) => changed === field));
  const merged = Object.fromEntries([...kept, ...fields.filter(([, value]) => value !== null)]);
  return { ...defaultSettings, ...merged };
}
