import type { BlobBindings } from "./blobs/choose-blob-store.ts";
import type {
  AccountRegisterRpc,
  AccountRpc,
  BackendsRpc,
  ClusterRpc,
  DirectoryRpc,
  LoginRpc,
  RegistryRpc,
  ServiceRpc,
  StorageCheckRpc,
} from "./contract.ts";

/** An object as its callers see it: by its contract, whatever class keeps it. */
type ObjectNamespace<Contract> = DurableObjectNamespace<Contract & Rpc.DurableObjectBranded>;

/** The bindings of the Worker, as wrangler.toml declares them. */
export interface Env extends BlobBindings {
  ACCOUNT: ObjectNamespace<AccountRpc>;
  SERVICE: ObjectNamespace<ServiceRpc>;
  BACKENDS: ObjectNamespace<BackendsRpc>;
  CLUSTER: ObjectNamespace<ClusterRpc>;
  DIRECTORY: ObjectNamespace<DirectoryRpc & AccountRegisterRpc & StorageCheckRpc>;
  REGISTRY: ObjectNamespace<RegistryRpc>;
  LOGIN: ObjectNamespace<LoginRpc>;
  /** Creates accounts. */
  ROOT_TOKEN: string;
  /** JSON list of private Ed25519 JWKs; the first signs connection tokens. */
  SIGNING_KEYS: string;
  API_URL: string;
  ALLOW_PRIVATE_CLUSTERS: string;
  /** Whole numbers; the defaults are in the domain's limits. */
  STATUS_STREAMS_PER_BACKEND?: string;
  STATUS_STREAMS_PER_ADDRESS?: string;
  /** The header in which a front that is not Cloudflare's says whose request it is. */
  CLIENT_ADDRESS_HEADER?: string;
}
