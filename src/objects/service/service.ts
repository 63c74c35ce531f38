import { DurableObject } from "cloudflare:workers";
import type { ServiceRpc } from "../contract.ts";
import type { Env } from "../env.ts";

export class Service extends DurableObject<Env> implements ServiceRpc {
  initialise: ServiceRpc["initialise"] = () => {
    throw new Error("not built yet");
  };
  applyAccountConfig: ServiceRpc["applyAccountConfig"] = () => {
    throw new Error("not built yet");
  };
  describe: ServiceRpc["describe"] = () => {
    throw new Error("not built yet");
  };
  patch: ServiceRpc["patch"] = () => {
    throw new Error("not built yet");
  };
  remove: ServiceRpc["remove"] = () => {
    throw new Error("not built yet");
  };
  connectBackend: ServiceRpc["connectBackend"] = () => {
    throw new Error("not built yet");
  };
  resolve: ServiceRpc["resolve"] = () => {
    throw new Error("not built yet");
  };
  createEnvironment: ServiceRpc["createEnvironment"] = () => {
    throw new Error("not built yet");
  };
  listEnvironments: ServiceRpc["listEnvironments"] = () => {
    throw new Error("not built yet");
  };
  getEnvironment: ServiceRpc["getEnvironment"] = () => {
    throw new Error("not built yet");
  };
  patchEnvironment: ServiceRpc["patchEnvironment"] = () => {
    throw new Error("not built yet");
  };
  deleteEnvironment: ServiceRpc["deleteEnvironment"] = () => {
    throw new Error("not built yet");
  };
  pin: ServiceRpc["pin"] = () => {
    throw new Error("not built yet");
  };
  history: ServiceRpc["history"] = () => {
    throw new Error("not built yet");
  };
  recordImage: ServiceRpc["recordImage"] = () => {
    throw new Error("not built yet");
  };
  listImages: ServiceRpc["listImages"] = () => {
    throw new Error("not built yet");
  };
  getImage: ServiceRpc["getImage"] = () => {
    throw new Error("not built yet");
  };
  deleteImage: ServiceRpc["deleteImage"] = () => {
    throw new Error("not built yet");
  };
  recentImages: ServiceRpc["recentImages"] = () => {
    throw new Error("not built yet");
  };
  listBackends: ServiceRpc["listBackends"] = () => {
    throw new Error("not built yet");
  };
  liveBackends: ServiceRpc["liveBackends"] = () => {
    throw new Error("not built yet");
  };
  terminate: ServiceRpc["terminate"] = () => {
    throw new Error("not built yet");
  };
  terminateAll: ServiceRpc["terminateAll"] = () => {
    throw new Error("not built yet");
  };
  learn: ServiceRpc["learn"] = () => {
    throw new Error("not built yet");
  };
  statusReached: ServiceRpc["statusReached"] = () => {
    throw new Error("not built yet");
  };
  reconcile: ServiceRpc["reconcile"] = () => {
    throw new Error("not built yet");
  };
  clusterLost: ServiceRpc["clusterLost"] = () => {
    throw new Error("not built yet");
  };
}
