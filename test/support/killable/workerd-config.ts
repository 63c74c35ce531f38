import { createRequire } from "node:module";
import { z } from "zod";

/** workerd itself: the package's main module is the path of this platform's binary. */
export const workerdBinary = z
  .object({ default: z.string() })
  .parse(createRequire(import.meta.url)("workerd")).default;

/** One Worker with its Durable Objects, served at the socket `http`. */
export interface WorkerdService {
  /** Of 127.0.0.1; 0 takes a free one. */
  port: number;
  /** Of its code, below the folder of the configuration. */
  moduleFile: string;
  compatibilityDate: string;
  compatibilityFlags: readonly string[];
  texts: Readonly<Record<string, string>>;
  objects: readonly { binding: string; className: string }[];
  /** Where its objects keep what they have. */
  stateDir: string;
  v8Flags?: readonly string[];
}

/** The configuration of a workerd that serves one Worker, which reaches nothing but this machine. */
export function workerdConfig({
  port,
  texts,
  objects,
  stateDir,
  v8Flags = [],
  ...worker
}: WorkerdService): string {
  const bindings = [
    ...Object.entries(texts).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
    ...objects.map(
      ({ binding, className }) => `(name = ${quote(binding)}, durableObjectNamespace = ${quote(className)})`,
    ),
  ];
  const namespaces = objects.map(
    ({ className }) =>
      `(className = ${quote(className)}, uniqueKey = ${quote(`slipway-${className}`)}, enableSql = true)`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["local"])),
    (name = "state", disk = (path = ${quote(stateDir)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
  v8Flags = [${v8Flags.map(quote).join(", ")}],
);

const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed ${quote(worker.moduleFile)})],
  compatibilityDate = ${quote(worker.compatibilityDate)},
  compatibilityFlags = [${worker.compatibilityFlags.map(quote).join(", ")}],
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${namespaces.join(", ")}],
  durableObjectStorage = (localDisk = "state"),
);
`;
}

/** Cap'n Proto's text literals take JSON's escapes, but for those of non-ASCII characters, which stand as they are. */
function quote(text: string): string {
  return JSON.stringify(text);
}
