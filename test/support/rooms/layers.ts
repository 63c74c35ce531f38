/**
 * What each folder of a folder may import of the others: folders, or single files of them. Beside that each may import
 * itself, and the files that lie next to it. Three lines are special:
 * - `.` is for those files;
 * - one of them that has a line of its own is an entrance: it puts the rest together, and nothing imports it;
 * - `*` is for every folder that has no line; in a list it stands for everything.
 */
type Layers = Readonly<Record<string, readonly string[]>>;

const everything = ["*"];

/** By the folder below `src`. */
export const layers: Readonly<Record<string, Layers>> = {
  objects: {
    ".": [
      "account/contract.ts",
      "backends/contract.ts",
      "cluster/contract.ts",
      "directory/contract.ts",
      "login/contract.ts",
      "registry/contract.ts",
      "service/contract.ts",
      "blobs",
    ],
    blobs: ["failures"],
    failures: [],
    webhooks: [],
    // An object knows of another nothing but its contract.
    account: ["service/contract.ts", "failures", "webhooks"],
    backends: ["service/contract.ts"],
    cluster: ["failures"],
    directory: [],
    login: [],
    registry: ["blobs", "failures"],
    service: ["failures", "webhooks"],
  },
  "objects/account": {
    "account.ts": everything,
    "service-setup.ts": everything,
    ".": ["credentials/credentials.sql.ts", "events/events.sql.ts", "quotas/quotas.sql.ts"],
    events: [],
    quotas: ["events"],
    credentials: ["events", "quotas"],
    clusters: ["credentials", "events", "quotas"],
  },
  "objects/cluster": {
    "cluster.ts": everything,
    ".": ["deliveries", "liveness"],
    deliveries: [],
    liveness: [],
  },
  "objects/service": {
    "service.ts": everything,
    "deploying-service.ts": everything,
    "parts.ts": everything,
    "work.ts": everything,
    "setup.ts": everything,
    "description.ts": everything,
    "overview.ts": everything,
    ".": [
      "backends/activity.ts",
      "backends/listings.ts",
      "backends/contract.ts",
      "connect/contract.ts",
      "deploys/arms.ts",
      "deploys/contract.ts",
      "drains/contract.ts",
      "drains/under-way.ts",
      "pins/announcements.ts",
      "pins/contract.ts",
      "deliveries/delivery-state.ts",
      "feed/usage.ts",
      "feed/visible-changes.ts",
      "sql",
    ],
    sql: [],
    feed: ["sql"],
    pins: ["feed", "sql"],
    deploys: ["feed", "pins", "sql"],
    quotas: [],
    backends: ["feed", "pins", "sql"],
    deliveries: ["backends", "pins", "sql"],
    connect: ["backends", "deliveries", "deploys/arms.ts", "pins", "sql"],
    drains: ["backends", "feed", "pins", "sql"],
  },
  edge: {
    "app.ts": everything,
    "worker.ts": everything,
    ".": [],
    credentials: [],
    admission: ["credentials"],
    views: ["credentials"],
    streams: ["views"],
    api: ["admission", "credentials", "streams", "views"],
    registry: ["admission", "credentials"],
    pages: ["admission", "credentials", "streams", "views"],
  },
  "edge/pages": {
    "pages.ts": everything,
    "pages-app.ts": everything,
    elements: [],
    plots: ["elements"],
    frame: ["elements"],
    // A page knows of no other page.
    "*": ["elements", "frame", "plots"],
  },
  agent: {
    "agent.ts": everything,
    ".": [],
    registry: [],
    runtimes: ["registry"],
    "control-plane": [],
    disk: ["runtimes/runtime.ts"],
    // The guard itself imports nothing (test/agent/guard/guard.test.ts).
    guard: ["runtimes/runtime.ts", "runtimes/process/machine-processes.ts"],
    // Of a runtime nothing is known but what every runtime is.
    proxy: ["runtimes/runtime.ts"],
    backends: ["control-plane", "runtimes/runtime.ts"],
    server: ["backends", "control-plane", "proxy", "runtimes/runtime.ts"],
  },
};

/** The line of a file, by its path below the folder of the table. */
export function lineOf(table: Layers, path: string): string {
  const [first = "", ...below] = path.split("/");
  return below.length > 0 || first in table ? first : ".";
}

/** Why a file may not import another by the tables of the folders that both are in; null where it may. Paths are below `src`. */
export function layerProblem(path: string, target: string): string | null {
  for (const [folder, table] of Object.entries(layers)) {
    if (![path, target].every((file) => file.startsWith(`${folder}/`))) continue;
    const inside = target.slice(folder.length + 1);
    const from = lineOf(table, path.slice(folder.length + 1));
    const to = lineOf(table, inside);
    const allowed = [from, ".", ...(table[from] ?? table["*"] ?? [])];
    if (![to, inside, "*"].some((one) => allowed.includes(one))) {
      return `${from} of ${folder} may not import from ${to === "." ? inside : to}`;
    }
  }
  return null;
}
