import { newServiceCodes, type ServiceCodes } from "../locate-backend.ts";
import { TokenCache } from "./token-cache.ts";

/** What an isolate remembers between requests. */
export interface IsolateState {
  tokens: TokenCache;
  serviceCodes: ServiceCodes;
}

/** @param now the isolate's clock, in milliseconds since the epoch */
export function newIsolateState(now: () => number): IsolateState {
  return { tokens: new TokenCache(now), serviceCodes: newServiceCodes() };
}
