import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Writes a program that an engine runs containers with (`DockerEngineOptions`), and that takes a second more to start
 * some of them.
 * @param containers which, as a shell's pattern of the container's id
 * @returns where it is
 */
export async function writeSlowRunc(folder: string, containers: string): Promise<string> {
  const path = join(folder, "slow-runc");
  const script = `#!/bin/sh
for id; do :; done
case "$* $id" in *" create "*" "${containers}) sleep 1 ;; esac
exec runc "$@"
`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}
