import type { Fence } from "../../domain/backends/fence.ts";
import type { TokenRole } from "../../domain/credentials/access.ts";
import type { ServiceLocation } from "../../domain/location.ts";

export type TokenRow = {
  seq: number;
  id: string;
  secret_hash: string;
  name: string;
  role: TokenRole;
  service: string | null;
  environments: string | null;
  cluster: string | null;
  created_at: number;
  expires_at: number | null;
  /** JSON: `TokenRight[]`; null where there are none. */
  rights: string | null;
  /**
   * JSON: the ids of the tokens above it, the nearest first, and the name of that one: they may be revoked before it. Null where
   * the deployment made it, or somebody before this was recorded.
   */
  makers: string | null;
  maker_name: string | null;
};

export type ClusterRow = {
  seq: number;
  name: string;
  webhook_url: string;
  backend_url_template: string | null;
  ack: "sync" | "async";
  secrets: string;
  created_at: number;
  deleting: number;
  /** The config version that it came with: higher than that of any registration of its name before. */
  registration: number;
  draining: number;
  fence: Fence;
};

export type ServiceRow = {
  seq: number;
  name: string;
  code: string;
  state: "creating" | "live" | "removed";
  created_at: number;
  /** What it has taken over; 0 as long as its first creation has not ended. */
  config_version: number;
  location: ServiceLocation;
};
