import type { ServiceDescription } from "../../objects/contract.ts";
import { isoTime } from "../../protocol/primitives.ts";

function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms);
}

/** The name under which images are pushed for a service. */
export function imageName(registryHost: string, account: string, service: string): string {
  return `${registryHost}/${account}/${service}`;
}

export function serviceView(service: ServiceDescription, registryHost: string) {
  return {
    name: service.name,
    account: service.account,
    default_environment: service.defaultEnvironment,
    created_at: isoTime(service.createdAt),
    location: service.location,
    last_spawned_at: isoTimeOrNull(service.lastSpawnedAt),
    last_image_upload_time: isoTimeOrNull(service.lastImageUploadedAt),
    last_image_digest: service.lastImageDigest,
    image_name: imageName(registryHost, service.account, service.name),
    environments: service.environmentNames,
    environments_total: service.environmentsTotal,
    live_backends: service.liveBackends,
  };
}

/** The v2 view of a service. Its clients require a string as the cluster, even without one. */
export function v2ServiceView(service: ServiceDescription, registryHost: string) {
  return {
    name: service.name,
    account_name: service.account,
    created_at: isoTime(service.createdAt),
    last_spawned_at: isoTimeOrNull(service.lastSpawnedAt),
    last_image_upload_time: isoTimeOrNull(service.lastImageUploadedAt),
    last_image_digest: service.lastImageDigest,
    image_name: imageName(registryHost, service.account, service.name),
    environments: service.environments.map((environment) => ({
      name: environment.name,
      image_tag: environment.image,
      cluster: environment.cluster ?? "-",
      created_at: environment.created_at,
      last_spawned_at: environment.last_spawned_at,
    })),
  };
}
