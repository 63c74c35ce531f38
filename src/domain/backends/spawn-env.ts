import { spawnEnvMaxBytes, spawnEnvMaxVariables } from "../limits.ts";
import { fail, ok, type Result } from "../result.ts";

const reserved = /^(PORT$|SESSION_BACKEND_|JAMSOCKET_|SLIPWAY_)/;

/**
 * Checks the environment variables of a spawn: their number, names and size.
 * @returns `bad_request` with what is wrong with them
 */
export function checkSpawnEnv(env: Readonly<Record<string, string>>): Result<null> {
  const entries = Object.entries(env);
  if (entries.length > spawnEnvMaxVariables) {
    return fail(
      "bad_request",
      `env has ${entries.length} variables; at most ${spawnEnvMaxVariables} are allowed`,
    );
  }
  for (const [name, value] of entries) {
    if (name === "" || name.includes("=") || name.includes("\0") || value.includes("\0")) {
      return fail(
        "bad_request",
        `env variable \`${name}\`: a name is not empty and has no =, and neither it nor its value has a NUL`,
      );
    }
    if (reserved.test(name)) {
      return fail(
        "bad_request",
        `env variable \`${name}\` is reserved: PORT, SESSION_BACKEND_*, JAMSOCKET_* and SLIPWAY_* are set by the platform`,
      );
    }
  }
  const bytes = entries.reduce((sum, [name, value]) => sum + utf8Length(name) + utf8Length(value), 0);
  if (bytes > spawnEnvMaxBytes) {
    return fail(
      "bad_request",
      `env has ${bytes} bytes of names and values; at most ${spawnEnvMaxBytes} are allowed`,
    );
  }
  return ok(null);
}

/** The length of a text in UTF-8, in bytes. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
