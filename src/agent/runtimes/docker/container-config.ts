import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type { StartSpec } from "../runtime.ts";
import { mountTarget } from "./mount.ts";

const defaultPort = 8080;
/** Where the engine publishes ports: only this machine reaches them. */
export const publishedHost = "127.0.0.1";
/** Against fork bombs; browsers and JVMs have hundreds of threads. */
const pidsMax = 4096;
/** A tmpfs counts as memory of its container. */
const readOnlyTmpfs = { "/tmp": "rw,exec,nosuid,nodev,mode=1777,size=268435456" };
const logConfig = { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } };

/**
 * Dropped from the engine's default capabilities, since no session needs them: to forge packets to the gateway and the
 * neighbours (NET_RAW), to make device nodes (MKNOD), to write to the machine's audit log (AUDIT_WRITE), to give files
 * or children capabilities (SETFCAP, SETPCAP) and to change the root (SYS_CHROOT). The rest is for images that start
 * as root and switch to a user: to own, read and signal what is not its own, to become that user, to listen below port
 * 1024.
 */
const droppedCapabilities = ["NET_RAW", "MKNOD", "AUDIT_WRITE", "SETFCAP", "SETPCAP", "SYS_CHROOT"];

/** The engine's own, in microseconds, where a spawn gives a share without a period. */
const defaultCpuPeriodUs = 100_000;

export interface Container {
  spec: StartSpec;
  /** By digest. */
  image: string;
  labels: Record<string, string>;
  networkId: string;
  /** The folder to mount, null for none. */
  mountPath: string | null;
  readOnly: boolean;
  /** Whether the engine is to enforce the limit of the disk. */
  limitDisk: boolean;
}

/** The port inside a container, as the engine writes it. */
export function exposedPort({ port = defaultPort }: Pick<StartSpec, "port">): string {
  return `${port}/tcp`;
}

/** What the engine is to make of a spawn. */
export function containerConfig(container: Container): ContainerCreateOptions {
  const { spec, image, labels, networkId, mountPath, readOnly } = container;
  const env = {
    ...spec.env,
    PORT: String(spec.port ?? defaultPort),
    ...(mountPath === null ? {} : { SLIPWAY_MOUNT: mountTarget }),
  };
  return {
    Image: image,
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Labels: labels,
    ExposedPorts: { [exposedPort(spec)]: {} },
    HostConfig: {
      NetworkMode: networkId,
      PortBindings: { [exposedPort(spec)]: [{ HostIp: publishedHost, HostPort: "" }] },
      RestartPolicy: { Name: "no" },
      CapDrop: droppedCapabilities,
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: pidsMax,
      LogConfig: logConfig,
      ...(readOnly ? { ReadonlyRootfs: true, Tmpfs: readOnlyTmpfs } : {}),
      ...(mountPath === null ? {} : { Mounts: [{ Type: "bind", Source: mountPath, Target: mountTarget }] }),
      ...limits(container),
    },
  };
}

function limits({ spec: { resources = {} }, limitDisk }: Container): HostConfig {
  const {
    memory_limit_bytes: memoryBytes,
    cpu_period: cpuPeriodUs,
    cpu_period_percent: cpuPercent,
    cpu_time_limit: cpuSeconds,
    disk_limit_bytes: diskBytes,
  } = resources;
  return {
    // The engine's MemorySwap is memory and swap together: no swap.
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
    ...(cpuPeriodUs === undefined ? {} : { CpuPeriod: cpuPeriodUs }),
    ...(cpuPercent === undefined
      ? {}
      : { CpuQuota: Math.round(((cpuPeriodUs ?? defaultCpuPeriodUs) * cpuPercent) / 100) }),
    // setrlimit(2) counts each process by itself.
    ...(cpuSeconds === undefined ? {} : { Ulimits: [{ Name: "cpu", Soft: cpuSeconds, Hard: cpuSeconds }] }),
    ...(diskBytes === undefined || !limitDisk ? {} : { StorageOpt: { size: String(diskBytes) } }),
  };
}
