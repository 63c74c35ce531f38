import {
  type ConnectRequest,
  connectRefusals,
  decideConnect,
  resolveSpawnImage,
} from "../../../domain/pins/connect.ts";
import type { Artifact } from "../../../domain/pins/images.ts";
import { pinText } from "../../../domain/pins/pin.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { ResolveAnswer } from "../../../protocol/v3/services.ts";
import { pinOf } from "../backend-info.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";

/** What a connect would do now and every reason for which it would be refused, without doing it. */
export function resolveConnect(
  state: ServiceState,
  service: ServiceRow,
  environment: string,
  query: { tag?: string; key?: string },
  allowedEnvironments: readonly string[] | undefined,
): Result<ResolveAnswer> {
  const snapshot = state.connectSnapshot(service);
  const request: ConnectRequest = {
    environment,
    spawn: query.tag === undefined ? {} : { tag: query.tag },
    ...(query.key === undefined ? {} : { key: query.key }),
    ...(allowedEnvironments === undefined ? {} : { allowedEnvironments }),
  };
  const found = snapshot.environments.get(environment);
  const decided = decideConnect(request, snapshot);
  if (!found) return decided.ok ? fail("environment_not_found", "environment not found") : decided;
  const image = query.tag ?? pinText(found.pin);
  const artifact = snapshot.images.artifactOf(image);
  const common = {
    environment,
    image,
    revision: found.revision,
    ...(artifact === undefined ? {} : { artifact: artifactView(artifact) }),
  };
  if (!decided.ok) {
    const resolved = resolveSpawnImage(query.tag, found, snapshot.images);
    return ok({
      ...common,
      action: "refuse",
      digest: resolved.ok ? resolved.value.digest : null,
      cluster: found.cluster ?? snapshot.accountDefaultCluster,
      refusals: connectRefusals(request, snapshot).map(({ code, message }) => ({ code, message })),
    });
  }
  if (decided.value.action === "spawn") {
    const { digest } = decided.value.image;
    return ok({ ...common, action: "spawn", digest, cluster: decided.value.cluster, refusals: [] });
  }
  const holder = state.backend(decided.value.backendId);
  if (!holder) throw new Error("the holder of a key has no row");
  const { pin, image: own } = pinOf(holder);
  return ok({
    environment,
    action: decided.value.action,
    backend_id: holder.id,
    image: own,
    digest: holder.digest,
    revision: pin.revision,
    cluster: holder.cluster,
    refusals: [],
  });
}

function artifactView({ digest, mediaType, artifactType }: Artifact): ResolveAnswer["artifact"] {
  return { digest, artifact_type: artifactType, ...(mediaType === null ? {} : { media_type: mediaType }) };
}
