import { type ServicePart, serviceParts } from "../../../protocol/service-nudge.ts";
import type { BackendsSql } from "../sql/backends.sql.ts";
import type { ImagesSql } from "../sql/images.sql.ts";
import type { ServiceSql } from "../sql/service.sql.ts";

type Sql = ServiceSql & ImagesSql & BackendsSql;

/**
 * The same statements, with `changed` called at each that changes what a reader of the service sees. What is left out
 * is of no concern to readers: deliveries, deadlines, fencing tokens.
 */
export function tellingChanges<S extends Sql>(sql: S, changed: (parts: readonly ServicePart[]) => void): S {
  function telling<Values extends unknown[], T>(
    parts: readonly ServicePart[],
    write: (...values: Values) => T,
  ) {
    return (...values: Values): T => {
      const result = write(...values);
      changed(parts);
      return result;
    };
  }
  // What an environment resolves to depends on images and on the account's clusters.
  const images: readonly ServicePart[] = ["images", "environments"];
  const environments: readonly ServicePart[] = ["environments"];
  const backends: readonly ServicePart[] = ["backends"];
  return {
    ...sql,
    reviveService: telling(serviceParts, sql.reviveService),
    removeService: telling(serviceParts, sql.removeService),
    setDefaultEnvironment: telling(environments, sql.setDefaultEnvironment),
    setConfig: telling(environments, sql.setConfig),
    insertEnvironment: telling(environments, sql.insertEnvironment),
    updateEnvironment: telling(environments, sql.updateEnvironment),
    setPin: telling(environments, sql.setPin),
    deleteEnvironment: telling(environments, sql.deleteEnvironment),
    putImage: telling(images, sql.putImage),
    deleteImage: telling(images, sql.deleteImage),
    setTag: telling(images, sql.setTag),
    deleteTag: telling(images, sql.deleteTag),
    insertBackend: telling(backends, sql.insertBackend),
    setStatus: telling(backends, sql.setStatus),
    deleteBackend: telling(backends, sql.deleteBackend),
  };
}
