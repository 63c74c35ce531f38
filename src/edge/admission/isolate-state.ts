import { newServiceCodes, type ServiceCodes } from "../locate-backend.ts";
import { KnownServices } from "./known-services.ts";
import { TokenCache } from "./token-cache.ts";

/** The caches of an isolate, shared by its requests. */
export interface IsolateState {
  tokens: TokenCache;
  serviceCodes: ServiceCodes;
  services: KnownServices;
}

/** @param now the isolate's clock, in milliseconds since the epoch */
export function newIsolateState(now: () => number): IsolateState {
  return {
    tokens: new TokenCache(now),
    serviceCodes: newServiceCodes(),
    services: new KnownServices(),
  };
}
