import type { RepositoryAction } from "../../domain/registry/actions.ts";
import type { RepositoryName } from "../../domain/registry/repository.ts";
import type { BlobStore } from "../../objects/blobs/blob-store.ts";
import type { ActorName } from "../../objects/contract.ts";
import type { Registry } from "../../objects/registry/registry.ts";
import type { OciResult } from "../../protocol/oci/errors.ts";
import type { PartDoor } from "./part-room.ts";

/** The input of a registry handler: access is checked, and the repository's service exists. */
export interface RegistryCall {
  request: Request;
  url: URL;
  /** `<account>/<service>`. */
  name: string;
  repository: RepositoryName;
  /** What follows the name in the path: a digest, a tag or the id of an upload; empty where nothing does. */
  reference: string;
  registry: DurableObjectStub<Registry>;
  store: BlobStore;
  /** For what of its bytes is held in memory. */
  room: PartDoor;
  registryHost: string;
  /** Whose token, or session, calls. */
  caller: ActorName;
  /** The id of the access token or session that the call is allowed by. */
  credentialId: string;
  /** Admits the caller to another repository as well; null where that is refused. */
  mayAlso(action: RepositoryAction, repositoryName: string): Promise<RepositoryName | null>;
}

export type RegistryHandler = (call: RegistryCall) => Promise<OciResult<Response>>;

export function answered(response: Response): OciResult<Response> {
  return { ok: true, value: response };
}
