import { routes } from "./api/routes.ts";
import { createApp } from "./app.ts";

export { Account } from "../objects/account/account.ts";
export { Backends } from "../objects/backends/backends.ts";
export { Cluster } from "../objects/cluster/cluster.ts";
export { Directory } from "../objects/directory/directory.ts";
export { Login } from "../objects/login/login.ts";
export { Registry } from "../objects/registry/registry.ts";
export { Service } from "../objects/service/service.ts";

export default { fetch: createApp(routes).fetch };
