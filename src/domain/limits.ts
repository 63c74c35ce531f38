/*
 * The numbers of the system, by topic. Each name carries its unit; each duration is measured on the clock of whoever
 * waits. How they must relate to each other is tested in test/domain/limits.test.ts.
 */
export * from "./limits/alarms.ts";
export * from "./limits/answers.ts";
export * from "./limits/backends.ts";
export * from "./limits/clusters.ts";
export * from "./limits/credentials.ts";
export * from "./limits/deliveries.ts";
export * from "./limits/deploys.ts";
export * from "./limits/disk.ts";
export * from "./limits/drains.ts";
export * from "./limits/events.ts";
export * from "./limits/inputs.ts";
export * from "./limits/quotas.ts";
export * from "./limits/registry.ts";
export * from "./limits/requests.ts";
export * from "./limits/streams.ts";
export * from "./limits/usage.ts";
