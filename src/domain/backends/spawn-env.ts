import { spawnEnvMaxBytes, spawnEnvMaxJsonBytes, spawnEnvMaxVariables } from "../limits.ts";
import { fail, ok, type Result } from "../result.ts";

const reserved = /^(PORT$|SESSION_BACKEND_|JAMSOCKET_|SLIPWAY_)/;

/** A name ends at the first `=` and both at a NUL; control characters in a name break what lists variables. */
const namePattern = /^[^=\p{Cc}]+$/u;

/** Half a character, which UTF-8 does not have: a process would get another text. */
const illFormed = /\p{Surrogate}/u;

/**
 * Checks environment variables against what a process can be given: their number, names and size.
 * @returns `bad_request` with what is wrong with them
 */
export function checkEnv(env: Readonly<Record<string, string>>): Result<null> {
  const entries = Object.entries(env);
  if (entries.length > spawnEnvMaxVariables) {
    return fail(
      "bad_request",
      `env has ${entries.length} variables; at most ${spawnEnvMaxVariables} are allowed`,
    );
  }
  for (const [name, value] of entries) {
    if (!namePattern.test(name) || value.includes("\0")) {
      return fail(
        "bad_request",
        `env variable \`${name.slice(0, 100)}\`: a name is not empty and has no = and no control characters, and its value has no NUL`,
      );
    }
    if (illFormed.test(name) || illFormed.test(value)) {
      return fail("bad_request", `env variable \`${name.slice(0, 100)}\` is not well-formed unicode`);
    }
  }
  const bytes = entries.reduce((sum, [name, value]) => sum + utf8Length(name) + utf8Length(value), 0);
  if (bytes > spawnEnvMaxBytes) {
    return fail(
      "bad_request",
      `env has ${bytes} bytes of names and values; at most ${spawnEnvMaxBytes} are allowed`,
    );
  }
  const jsonBytes = utf8Length(JSON.stringify(env));
  if (jsonBytes > spawnEnvMaxJsonBytes) {
    return fail(
      "bad_request",
      `env has ${jsonBytes} bytes as JSON; at most ${spawnEnvMaxJsonBytes} are allowed`,
    );
  }
  return ok(null);
}

/** Checks the environment variables that a spawn asks for: as `checkEnv`, and that none is the platform's own. */
export function checkSpawnEnv(env: Readonly<Record<string, string>>): Result<null> {
  const name = Object.keys(env).find((name) => reserved.test(name));
  if (name === undefined) return checkEnv(env);
  return fail(
    "bad_request",
    `env variable \`${name.slice(0, 100)}\` is reserved: PORT, SESSION_BACKEND_*, JAMSOCKET_* and SLIPWAY_* are set by the platform`,
  );
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
