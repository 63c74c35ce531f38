import type { Platform } from "../../../../protocol/oci/image.ts";

/** Node's names of architectures where OCI (Go's GOARCH) has others. */
const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", ia32: "386" };

/** What this machine runs: images are Linux's, whatever it has itself. */
export const localPlatform: Platform = {
  os: "linux",
  architecture: architectures[process.arch] ?? process.arch,
};
