/** What wrangler.toml says of the Worker and reading it would need wrangler for, which takes seconds to load. */
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
