import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathOf } from "../programs.ts";
import { startRegistryDeployment } from "../registry/deployment.ts";
import type { Docker } from "./engine.ts";

/** Serves HTTP on `$PORT`. After SIGTERM it takes `$LINGER` seconds to exit. */
const script = `
B=/bin/busybox
trap '$B sleep "\${LINGER:-0}"; exit 143' TERM
$B mkdir -p /www
echo here >/www/index.html
$B httpd -f -p "$PORT" -h /www &
wait
`;

const dockerfile = `
FROM scratch
COPY busybox /bin/busybox
COPY script /script
CMD ["/bin/busybox", "sh", "/script"]
`;

/**
 * Builds a tiny image and has it in an engine under its digest, so that nothing pulls it any more. The registry that
 * it was pushed to is gone afterwards.
 * @param folder where to build it
 */
export async function buildLingeringImage(
  docker: Docker,
  folder: string,
): Promise<{ repository: string; digest: string }> {
  const succeed = async (...args: string[]) => {
    const { exitCode, output, stdout } = await docker(...args);
    if (exitCode !== 0) throw new Error(`docker ${args[0]}: ${output}`);
    return stdout.trim();
  };
  const context = join(folder, "image");
  await mkdir(context, { recursive: true });
  await copyFile(pathOf("busybox") ?? "", join(context, "busybox"));
  await writeFile(join(context, "script"), script);
  await writeFile(join(context, "Dockerfile"), dockerfile);
  await using registry = await startRegistryDeployment();
  await registry.createService("hello");
  const repository = `${registry.host}/acme/hello`;
  await succeed("login", registry.host, "--username", "acme", "--password", registry.api.token);
  await succeed("build", "--quiet", "--tag", repository, context);
  await succeed("push", "--quiet", repository);
  const [, digest = ""] = (
    await succeed("inspect", "--format", "{{index .RepoDigests 0}}", repository)
  ).split("@");
  return { repository, digest };
}
