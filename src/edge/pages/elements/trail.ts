import { pathOf } from "./paths.ts";

/** The pages above those of a service. */
export function serviceTrail(account: string, service: string) {
  return [
    { text: "Services", path: pathOf.services() },
    { text: service, path: pathOf.service(account, service) },
  ];
}
