import type { Platform } from "../../../../protocol/oci/pull.ts";

/** Node's names of architectures where OCI (Go's GOARCH) has others. */
const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", ia32: "386" };

/** This machine's platform for images, which are Linux's, whatever this machine's own system. */
export const localPlatform: Platform = {
  os: "linux",
  architecture: architectures[process.arch] ?? process.arch,
};
