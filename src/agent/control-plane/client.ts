import { agentCallAnswerMaxBytes } from "../../domain/limits.ts";
import { fetchAnswer, readText } from "../../protocol/remote-answer.ts";
import { messageOf } from "../log.ts";

/** The outcome of a call to Slipway: an HTTP answer with its parsed JSON (undefined where it is none), or no answer. */
export type CallResult =
  | { outcome: "answer"; status: number; body: unknown }
  | { outcome: "failure"; message: string };

export interface SlipwayClient {
  /** @param path begins with a slash */
  post(path: string, body: object, signal: AbortSignal): Promise<CallResult>;
}

/** Calls Slipway with the cluster's agent token. Redirects are not followed: the token is sent nowhere else. */
export function slipwayClient(options: {
  apiUrl: string;
  agentToken: string;
  timeoutMs: number;
}): SlipwayClient {
  const base = options.apiUrl.replace(/\/+$/, "");
  return {
    async post(path, body, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
      try {
        const response = await fetchAnswer(base + path, {
          method: "POST",
          headers: { authorization: `Bearer ${options.agentToken}`, "content-type": "application/json" },
          body: JSON.stringify(body),
          redirect: "manual",
          signal: limited,
        });
        const text = await readText(response, { maxBytes: agentCallAnswerMaxBytes, signal: limited });
        return { outcome: "answer", status: response.status, body: parseJson(text) };
      } catch (error) {
        return { outcome: "failure", message: messageOf(error) };
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
