/** What wrangler.toml has of the Worker, which only wrangler could read: it takes seconds to load. A test compares both. */
export const workerOptions = {
  compatibilityDate: "2026-10-01",
  durableObjects: {
    ACCOUNT: { className: "Account", useSQLite: true },
    SERVICE: { className: "Service", useSQLite: true },
    BACKENDS: { className: "Backends", useSQLite: true },
    CLUSTER: { className: "Cluster", useSQLite: true },
    DIRECTORY: { className: "Directory", useSQLite: true },
    REGISTRY: { className: "Registry", useSQLite: true },
    LOGIN: { className: "Login", useSQLite: true },
  },
  r2Buckets: { BLOBS: { id: "slipway-blobs" } },
};
