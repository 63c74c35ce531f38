import { serviceCode, serviceCodeLength } from "../../domain/ids.ts";

/** A code that a new service may claim at the directory. */
export function randomServiceCode(): string {
  return serviceCode(crypto.getRandomValues(new Uint8Array(serviceCodeLength)));
}
