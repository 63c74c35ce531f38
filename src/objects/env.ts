import type { Account } from "./account/account.ts";
import type { Backends } from "./backends/backends.ts";
import type { BlobBindings } from "./blobs/choose-blob-store.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Directory } from "./directory/directory.ts";
import type { Login } from "./login/login.ts";
import type { Registry } from "./registry/registry.ts";
import type { Service } from "./service/service.ts";

/** The bindings of the Worker, as wrangler.toml declares them. */
export interface Env extends BlobBindings {
  ACCOUNT: DurableObjectNamespace<Account>;
  SERVICE: DurableObjectNamespace<Service>;
  BACKENDS: DurableObjectNamespace<Backends>;
  CLUSTER: DurableObjectNamespace<Cluster>;
  DIRECTORY: DurableObjectNamespace<Directory>;
  REGISTRY: DurableObjectNamespace<Registry>;
  LOGIN: DurableObjectNamespace<Login>;
  /** Creates accounts. */
  ROOT_TOKEN: string;
  /** JSON list of private Ed25519 JWKs; the first signs connection tokens. */
  SIGNING_KEYS: string;
  API_URL: string;
  ALLOW_PRIVATE_CLUSTERS: string;
}
