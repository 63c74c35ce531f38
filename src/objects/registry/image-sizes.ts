import { bytesOf, readContents } from "../../protocol/oci/contents.ts";
import type { ImageSize } from "./contract.ts";
import { findManifest } from "./manifests.ts";
import type { RegistryState } from "./state.ts";

/** How much is read for one call: ordinary manifests have a few kB, and the account's pushes wait meanwhile. */
const readMaxBytes = 8 * 1024 * 1024;

/** As `RegistryRpc.imageSizes`. */
export function imageSizes(
  state: RegistryState,
  repository: string,
  digests: readonly string[],
): (ImageSize | null)[] {
  let left = readMaxBytes;

  function contents(digest: string) {
    const size = state.sql.manifest(repository, digest)?.size;
    if (size === undefined || size > left) return null;
    left -= size;
    const manifest = findManifest(state, repository, digest);
    return manifest && readContents(manifest.bytes, manifest.mediaType);
  }

  return digests.map((digest) => {
    const found = contents(digest);
    if (!found) return null;
    if (found.kind === "image") return { bytes: bytesOf(found), index: null };
    const images = found.manifests.flatMap((listed) => {
      const image = contents(listed.digest);
      return image?.kind === "image" ? [bytesOf(image)] : [];
    });
    return {
      bytes: images.reduce((sum, bytes) => sum + bytes, 0),
      index: { counted: images.length, listed: found.manifests.length },
    };
  });
}
