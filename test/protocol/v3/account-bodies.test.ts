import { createAccountBody, createTokenBody } from "../../../src/protocol/v3/accounts.ts";
import { heartbeatBody, statusReportBody } from "../../../src/protocol/v3/agent.ts";
import { createClusterBody, patchClusterBody } from "../../../src/protocol/v3/clusters.ts";
import { describeBodies } from "./body-rules.ts";

const id = "k3f9q7h3kq2m9";

describeBodies({
  createAccountBody: {
    schema: createAccountBody,
    good: [{ name: "acme" }],
    bad: [
      {},
      { name: "Acme" },
      { name: "a_b" },
      { name: "service" },
      { name: "account" },
      { name: "backend" },
      { name: 1 },
    ],
  },
  createTokenBody: {
    schema: createTokenBody,
    good: [
      { name: "ci", role: "deploy" },
      { name: "ci", role: "read", service: "hello", expires_in_seconds: 60 },
      { name: "ci", role: "read", service: "hello", environments: ["prod"] },
      { name: "x".repeat(100), role: "admin" },
    ],
    bad: [
      { role: "read" },
      { name: "ci" },
      { name: "", role: "read" },
      { name: "x".repeat(101), role: "read" },
      { name: "ci", role: "agent" },
      { name: "ci", role: "root" },
      { name: "ci", role: "read", environments: ["prod"] },
      { name: "ci", role: "read", service: "hello", environments: [] },
      {
        name: "ci",
        role: "read",
        service: "hello",
        environments: Array.from({ length: 51 }, (_, i) => `e${i}`),
      },
      { name: "ci", role: "read", service: "hello/prod" },
      { name: "ci", role: "read", expires_in_seconds: 0 },
      { name: "ci", role: "read", expires_in_seconds: 1.5 },
      { name: "ci", role: "read", expires_in_seconds: 315_360_001 },
    ],
  },
  createClusterBody: {
    schema: createClusterBody,
    good: [
      { name: "eu", webhook_url: "https://a.example" },
      { name: "eu", webhook_url: "https://a.example", ack: "sync" },
      {
        name: "eu",
        webhook_url: "https://a.example",
        ack: "async",
        backend_url_template: "https://{backend_id}.a.example",
      },
      {
        name: "eu",
        webhook_url: "https://a.example",
        backend_url_template: "http://localhost:9/{backend_id}",
      },
    ],
    bad: [
      { name: "eu" },
      { webhook_url: "https://a.example" },
      { name: "eu", webhook_url: "https://a.example", ack: "later" },
      { name: "eu", webhook_url: "https://a.example", ack: "async" },
      { name: "eu", webhook_url: "https://a.example", backend_url_template: "https://a.example" },
      { name: "eu", webhook_url: "https://a.example", backend_url_template: "{backend_id}.a.example" },
      { name: "eu", webhook_url: "https://a.example", backend_url_template: "javascript:{backend_id}" },
      {
        name: "eu",
        webhook_url: "https://a.example",
        backend_url_template: `https://{backend_id}/${"x".repeat(1000)}`,
      },
      { name: "eu", webhook_url: `https://a.example/${"x".repeat(2000)}` },
    ],
  },
  patchClusterBody: {
    schema: patchClusterBody,
    nullable: ["backend_url_template"],
    good: [{}, { default: true }, { backend_url_template: null }, { ack: "async" }],
    bad: [
      { default: false },
      { webhook_url: null },
      { name: "eu" },
      { backend_url_template: "https://a.example" },
    ],
  },
  statusReportBody: {
    schema: statusReportBody,
    ofAgent: true,
    good: [
      { status: "ready", fencing_token: 1, url: "http://127.0.0.1:9000" },
      {
        status: "terminated",
        fencing_token: 1,
        exit_code: -1,
        termination_reason: "swept",
        termination_kind: "soft",
      },
      { status: "ready", fencing_token: 1, earlier: [] },
      {
        status: "terminated",
        fencing_token: 1,
        earlier: [
          { status: "ready", ms_ago: 1.5 },
          { status: "terminating", ms_ago: 0, termination_reason: "swept" },
        ],
      },
    ],
    bad: [
      { status: "ready", fencing_token: 1, earlier: [{ status: "loading" }] },
      { status: "ready", fencing_token: 1, earlier: [{ status: "loading", ms_ago: -1 }] },
      { status: "ready", fencing_token: 1, earlier: [{ status: "loading", ms_ago: "1" }] },
      { status: "ready", fencing_token: 1, earlier: Array(9).fill({ status: "loading", ms_ago: 1 }) },
      { status: "ready" },
      { fencing_token: 1 },
      { status: "Ready", fencing_token: 1 },
      { status: "ready", fencing_token: 0 },
      { status: "ready", fencing_token: 1.5 },
      { status: "ready", fencing_token: 1, url: "javascript:alert(1)" },
      { status: "ready", fencing_token: 1, url: "/relative" },
      { status: "ready", fencing_token: 1, url: `https://a.example/${"x".repeat(2000)}` },
      { status: "terminated", fencing_token: 1, termination_reason: null },
      { status: "terminated", fencing_token: 1, termination_reason: "tired" },
      { status: "terminated", fencing_token: 1, exit_code: 0.5 },
    ],
  },
  heartbeatBody: {
    schema: heartbeatBody,
    ofAgent: true,
    good: [
      { cluster: "eu", agent_id: "a", version: "1", backends: [] },
      {
        cluster: "eu",
        agent_id: "a",
        version: "1",
        backends: [{ id, status: "ready", fencing_token: 1 }],
        capacity: 0,
        draining: true,
      },
      { cluster: "eu", agent_id: "a", version: "1", backends: [], fence: "proof", leaving: true },
    ],
    bad: [
      { cluster: "eu", agent_id: "a", version: "1" },
      { cluster: "eu", agent_id: "", version: "1", backends: [] },
      { cluster: "eu", agent_id: "x".repeat(101), version: "1", backends: [] },
      { cluster: "eu", agent_id: "a", version: "x".repeat(101), backends: [] },
      {
        cluster: "eu",
        agent_id: "a",
        version: "1",
        backends: [{ id: "k3", status: "ready", fencing_token: 1 }],
      },
      { cluster: "eu", agent_id: "a", version: "1", backends: [{ id, status: "ready" }] },
      { cluster: "eu", agent_id: "a", version: "1", backends: [], fence: "hope" },
      { cluster: "eu", agent_id: "a", version: "1", backends: [], capacity: -1 },
    ],
  },
});
