import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A program that an engine runs containers with (`DockerEngineOptions`). */
export interface SlowRunc {
  path: string;
  /** Whether it has begun to start a container. */
  isAt(containerId: string): boolean;
}

/**
 * Writes a program that takes a second more than runc to start some containers.
 * @param containers which, as a shell's pattern of the container's id
 */
export async function writeSlowRunc(folder: string, containers: string): Promise<SlowRunc> {
  const path = join(folder, "slow-runc");
  const script = `#!/bin/sh
for id; do :; done
case "$* $id" in *" create "*" "${containers}) : >"${folder}/started-$id"; sleep 1 ;; esac
exec runc "$@"
`;
  await writeFile(path, script, { mode: 0o755 });
  return { path, isAt: (containerId) => existsSync(join(folder, `started-${containerId}`)) };
}
