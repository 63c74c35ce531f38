/*
 * What the objects take and give over RPC: plain data, expected failures as values. Each class implements the
 * interface of its name. Every method but `create`, `initialise` and `checkStorage` answers a not-found failure, and creates no
 * storage, on an object that was never set up.
 */

export type * from "./account/contract.ts";
export type * from "./backends/contract.ts";
export type * from "./cluster/contract.ts";
export type * from "./directory/contract.ts";
export type * from "./login/contract.ts";
export type * from "./registry/contract.ts";
export type * from "./rpc-types.ts";
export type * from "./service/contract.ts";
