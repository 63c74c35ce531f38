import { DurableObject } from "cloudflare:workers";
import type { AccountRpc } from "../contract.ts";
import type { Env } from "../env.ts";

export class Account extends DurableObject<Env> implements AccountRpc {
  create: AccountRpc["create"] = () => {
    throw new Error("not built yet");
  };
  authenticate: AccountRpc["authenticate"] = () => {
    throw new Error("not built yet");
  };
  createToken: AccountRpc["createToken"] = () => {
    throw new Error("not built yet");
  };
  listTokens: AccountRpc["listTokens"] = () => {
    throw new Error("not built yet");
  };
  deleteToken: AccountRpc["deleteToken"] = () => {
    throw new Error("not built yet");
  };
  createCluster: AccountRpc["createCluster"] = () => {
    throw new Error("not built yet");
  };
  listClusters: AccountRpc["listClusters"] = () => {
    throw new Error("not built yet");
  };
  getCluster: AccountRpc["getCluster"] = () => {
    throw new Error("not built yet");
  };
  patchCluster: AccountRpc["patchCluster"] = () => {
    throw new Error("not built yet");
  };
  deleteCluster: AccountRpc["deleteCluster"] = () => {
    throw new Error("not built yet");
  };
  testCluster: AccountRpc["testCluster"] = () => {
    throw new Error("not built yet");
  };
  createService: AccountRpc["createService"] = () => {
    throw new Error("not built yet");
  };
  listServices: AccountRpc["listServices"] = () => {
    throw new Error("not built yet");
  };
  serviceNames: AccountRpc["serviceNames"] = () => {
    throw new Error("not built yet");
  };
  deleteService: AccountRpc["deleteService"] = () => {
    throw new Error("not built yet");
  };
  config: AccountRpc["config"] = () => {
    throw new Error("not built yet");
  };
}
