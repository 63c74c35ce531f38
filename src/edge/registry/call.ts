import type { RepositoryAction } from "../../domain/registry/actions.ts";
import type { RepositoryName } from "../../domain/registry/repository.ts";
import type { BlobStore } from "../../objects/blobs/blob-store.ts";
import type { Registry } from "../../objects/registry/registry.ts";
import type { OciResult } from "../../protocol/oci/errors.ts";

/** What a handler of the registry gets: access has been checked, and the repository's service exists. */
export interface RegistryCall {
  request: Request;
  url: URL;
  /** `<account>/<service>`. */
  name: string;
  repository: RepositoryName;
  /** What the path says after the name: a digest, a tag, the id of an upload. Empty where it says nothing. */
  reference: string;
  registry: DurableObjectStub<Registry>;
  store: BlobStore;
  registryHost: string;
  /** Whether the caller may do something to another repository. */
  mayAlso(action: RepositoryAction, repositoryName: string): Promise<RepositoryName | null>;
}

export type RegistryHandler = (call: RegistryCall) => Promise<OciResult<Response>>;

export function answered(response: Response): OciResult<Response> {
  return { ok: true, value: response };
}
