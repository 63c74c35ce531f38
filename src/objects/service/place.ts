import type { PlacedService } from "../contract.ts";
import type { ServiceRow } from "./sql/service.sql.ts";

/** What the shards of a service are found by, and placed by at their first call. */
export function placeOf({ account, name, location }: ServiceRow): PlacedService {
  return { account, service: name, location };
}
