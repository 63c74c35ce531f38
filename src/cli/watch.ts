import type { Command } from "commander";
import type { z } from "zod";
import { type Answer, type ApiClient, createClient } from "./client.ts";
import { followStream } from "./event-stream.ts";
import { exitCodes, type Outcome, requestFailure } from "./outcome.ts";
import { printable, printableJson } from "./output.ts";
import { accountSettings, type GlobalOptions, report, written } from "./run.ts";
import { accountOf, parseJson } from "./settings.ts";

/** Something of the API that goes on by itself, and can be watched until it is over. */
export interface Watched<T> {
  /** Begins it, or finds it. */
  begin: (api: ApiClient) => Promise<Outcome<Answer<T>>>;
  /** Where its stream is, below the account. */
  stream: (body: T) => string[];
  schema: z.ZodType<T>;
  /** A line for people; `printable` goes over it. */
  text: (body: T) => string;
  isOver: (body: T) => boolean;
  /** Whether what is over has failed: the exit code is 1 then. */
  hasFailed: (body: T) => boolean;
  /** What to type to watch it again. */
  again: (body: T) => string;
}

/** A stream that ends although it is not over is followed again, so often without anything new between, and each time twice as late. */
const attemptsMost = 5;
const firstAgainMs = 250;

/**
 * Shows how far something is until it is over: on a terminal in one line that changes, else in a line for each change, and for programs as
 * one JSON value a line. Whoever leaves it, ends nothing.
 */
export async function runWatched<T>(command: Command, work: Watched<T>): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const settings = await accountSettings(options);
  if (!settings.ok) return report(settings.failure);
  const { apiUrl: base, secret } = settings.value;
  const account = accountOf(secret);
  if (!account.ok) return report(account.failure);
  const api = createClient({ base, root: ["v3", "accounts", account.value], secret });
  const begun = await work.begin(api);
  if (!begun.ok) return report(begun.failure);

  const screen = options.json ? jsonLines() : progress(work.text);
  let last = begun.value.body;
  let isOpen = await screen.show(last, begun.value.json);
  for (let attempts = 0; isOpen && !work.isOver(last); attempts++) {
    if (attempts > 0) await new Promise((resolve) => setTimeout(resolve, firstAgainMs * 2 ** attempts));
    if (attempts === attemptsMost) {
      screen.end();
      return report(
        requestFailure(`its stream ended before it was over; watch it with ${work.again(last)}`).failure,
      );
    }
    const followed = await followStream({
      base,
      secret,
      path: ["v3", "accounts", account.value, ...work.stream(last)],
      async onLine(line) {
        const json = parseJson(line);
        const body = work.schema.safeParse(json);
        if (!body.success) return true;
        attempts = 0;
        last = body.data;
        isOpen = await screen.show(last, json);
        return isOpen && !work.isOver(last);
      },
    });
    if (!followed.ok && followed.failure.code !== undefined) {
      screen.end();
      return report(followed.failure);
    }
  }
  screen.end();
  if (work.isOver(last) && work.hasFailed(last)) process.exitCode = exitCodes.request;
}

interface Screen<T> {
  /** @returns whether stdout is still open */
  show(body: T, json: unknown): Promise<boolean>;
  end(): void;
}

function jsonLines(): Screen<unknown> {
  let shown = "";
  return {
    async show(_body, json) {
      const text = JSON.stringify(json);
      if (text === shown) return true;
      shown = text;
      return written(`${printableJson(text)}\n`);
    },
    end: () => undefined,
  };
}

/** A line that takes the place of the one before where stdout is a terminal, and else follows it. */
function progress<T>(text: (body: T) => string): Screen<T> {
  const isTerminal = process.stdout.isTTY === true;
  let shown = "";
  return {
    async show(body) {
      const line = printable(text(body)).replaceAll(/\s+/g, " ");
      if (line === shown) return true;
      shown = line;
      return written(
        isTerminal ? `\r\u001b[K${line.slice(0, process.stdout.columns || line.length)}` : `${line}\n`,
      );
    },
    end() {
      if (isTerminal && shown !== "") process.stdout.write("\n");
    },
  };
}
