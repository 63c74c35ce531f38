import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { z } from "zod";
import {
  importSigningKey,
  publicJwks,
  type SigningKeys,
  signConnectionToken,
} from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";
import {
  heartbeatBody,
  listedBackend,
  type StatusReportBody,
  statusReportBody,
} from "../../../src/protocol/v3/agent.ts";

export interface ReceivedReport {
  backendId: string;
  body: StatusReportBody;
  authorization: string | undefined;
  /** The status it was answered with. */
  answered: number;
}

const wholeHeartbeat = heartbeatBody.and(z.object({ backends: z.array(listedBackend) }));
type WholeHeartbeat = z.infer<typeof wholeHeartbeat>;

/** All statuses that one report is about, oldest first. */
export function statusesIn({ earlier = [], status }: StatusReportBody): string[] {
  return [...earlier, { status }].map((each) => each.status);
}

/** What an agent calls: records reports and heartbeats, checks them against the wire format, serves a JWKS. */
export async function startFakeSlipway() {
  let keys: SigningKeys = await makeSigningKeys();
  const slipway = {
    url: "",
    reports: [] as ReceivedReport[],
    /** All have the whole list: it never answers that it keeps one. */
    heartbeats: [] as WholeHeartbeat[],
    /** What did not fit the wire format: to stay empty. */
    malformed: [] as string[],
    jwksRequests: 0,
    jwksStatus: 200,
    /** Named to the agent in every heartbeat's answer. */
    terminate: [] as string[],
    /** What it promises in every heartbeat's answer. */
    leaseSeconds: 45,
    /** Answers a heartbeat in its place, or lets it be answered as always where it resolves to null. */
    interceptHeartbeat: async (_body: WholeHeartbeat): Promise<{ status: number; body: unknown } | null> =>
      null,
    /** The status to answer a report with; 200 unless a test says otherwise. */
    answerReport: (_report: Omit<ReceivedReport, "answered">): number => 200,
    /** The status it claims to have, where it is not the reported one. */
    current: undefined as string | undefined,

    /** The statuses of a backend whose reports were acknowledged, in the order of arrival. */
    statusesOf(backendId: string): string[] {
      return slipway.acknowledged(backendId).flatMap((body) => statusesIn(body));
    },
    acknowledged(backendId: string): StatusReportBody[] {
      return slipway.reports
        .filter((report) => report.backendId === backendId && report.answered === 200)
        .map(({ body }) => body);
    },
    async rotateKeys() {
      keys = await makeSigningKeys();
    },
    async token(backendId: string, grant: Partial<Parameters<typeof signConnectionToken>[1]> = {}) {
      return signConnectionToken(await importSigningKey(keys), {
        issuer: slipway.url,
        account: "acme",
        cluster: "eu-prod",
        backendId,
        grantedAt: Date.now(),
        ...grant,
      });
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const body = await text(request);
    const backendId = /^\/v3\/agent\/backends\/(\w+)\/status$/.exec(request.url ?? "")?.[1];
    if (request.url === "/.well-known/jwks.json") {
      slipway.jwksRequests++;
      return answer(slipway.jwksStatus, publicJwks(keys));
    }
    if (request.url === "/v3/agent/heartbeat") {
      const parsed = wholeHeartbeat.safeParse(JSON.parse(body));
      if (parsed.success) slipway.heartbeats.push(parsed.data);
      else slipway.malformed.push(body);
      const intercepted = parsed.success ? await slipway.interceptHeartbeat(parsed.data) : null;
      if (intercepted) return answer(intercepted.status, intercepted.body);
      return answer(200, {
        lease_seconds: slipway.leaseSeconds,
        terminate: slipway.terminate,
        unknown: [],
      });
    }
    const parsed = statusReportBody.safeParse(JSON.parse(body || "null"));
    if (backendId === undefined || !parsed.success) {
      slipway.malformed.push(`${request.url} ${body}`);
      return answer(400, {});
    }
    const report = { backendId, body: parsed.data, authorization: request.headers.authorization };
    const answered = slipway.answerReport(report);
    slipway.reports.push({ ...report, answered });
    return answer(answered, { accepted: true, current: slipway.current ?? parsed.data.status });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  slipway.url = `http://127.0.0.1:${port}`;
  return slipway;
}

export type FakeSlipway = Awaited<ReturnType<typeof startFakeSlipway>>;
