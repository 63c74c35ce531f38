import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { startReferenceProgram } from "../reference-program.ts";
import type { Sandbox } from "../sandbox.ts";
import { type AgentPlan, answerBytes, portAnswer } from "./protocol.ts";

/** Something that answers what the backend answers, in a separate process that ends when it is disposed of. */
export interface ProxyServer extends AsyncDisposable {
  port: number;
}

export const referenceProgram = "nginx";

export async function startBackend(sandbox: Sandbox): Promise<ProxyServer> {
  return listening(sandbox.own(fork(processFile("backend-process.ts"))));
}

/** Slipway's agent, which forwards requests with a valid token to the backend. */
export async function startAgent(sandbox: Sandbox, plan: AgentPlan): Promise<ProxyServer> {
  const child = sandbox.own(fork(processFile("agent-process.ts")));
  child.send(plan);
  return listening(child);
}

/** nginx, which lets every request through. @throws with what it printed if it does not start to answer */
export async function startReference(sandbox: Sandbox, backendPort: number): Promise<ProxyServer> {
  const dir = await mkdtemp(join(sandbox.dir, "nginx-"));
  const port = await freePort(new Set());
  const configFile = join(dir, "nginx.conf");
  await writeFile(configFile, referenceConfig(dir, port, backendPort));
  const [path] = Object.keys(answerBytes);
  const url = `http://127.0.0.1:${port}${path}`;
  const args = ["-p", dir, "-e", "stderr", "-c", configFile];
  const reference = await startReferenceProgram(sandbox, { program: referenceProgram, args, dir, url });
  return { port, [Symbol.asyncDispose]: () => reference[Symbol.asyncDispose]() };
}

/** One process that serves, as the agent is one; connections kept on both sides, no logs. */
function referenceConfig(dir: string, port: number, backendPort: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
    worker_processes 1;
    daemon off;
    master_process off;
    pid ${dir}/nginx.pid;
    error_log stderr error;
    events { worker_connections 1024; }
    http {
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join("\n      ")}
      map $http_upgrade $upstream_connection { default upgrade; "" ""; }
      upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 100000000; }
      server {
        listen 127.0.0.1:${port};
        keepalive_requests 100000000;
        location / {
          proxy_pass http://backend;
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $upstream_connection;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_set_header X-Forwarded-Host $http_host;
        }
      }
    }`;
}

async function listening(child: ChildProcess): Promise<ProxyServer> {
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`a process of the bench ended with ${code} before it listened`);
  });
  const [message] = await Promise.race([once(child, "message"), exited]);
  return { port: portAnswer.parse(message).port, [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

function processFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
