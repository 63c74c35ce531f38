import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { sessionList } from "../../../src/protocol/v3/sessions.ts";
import { buildBundle } from "../../bench/bundle.ts";
import { openSandbox } from "../../bench/sandbox.ts";
import { type Subject, setUpSubject, subjectTexts } from "../../bench/subject.ts";
import { startWorkerd, type Workerd } from "../../bench/workerd.ts";
import { call } from "../../support/api.ts";
import { type RecordingCluster, startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { makeFolder } from "../../support/folder.ts";
import { type JamsocketLogin, jamsocketLogin, jamsocketOf, succeeding } from "../../support/jamsocket.ts";

/*
 * The production Worker, and in place of the page at which a person confirms a login a path of the test's own
 * (test/support/worker/confirming.ts). The CLI is the published one: it opens no browser and reads any standard input.
 */

let cluster: RecordingCluster;
let workerd: Workerd;
let subject: Subject;

beforeAll(async () => {
  const sandbox = openSandbox();
  cluster = await startRecordingCluster();
  const entry = "test/support/worker/confirming.ts";
  const bundle = await buildBundle(sandbox, "confirming", "wrangler.toml", entry);
  workerd = await startWorkerd(sandbox, bundle, await subjectTexts());
  subject = await setUpSubject(workerd.origin, `${cluster.url}/webhook`);
});
afterAll(async () => {
  await workerd.stop();
  await cluster[Symbol.asyncDispose]();
});

const api = () => ({ api_url: subject.origin, token: subject.token });

async function liveSessions() {
  return (await call(api(), sessionList, "/v3/accounts/bench/sessions")).sessions;
}

/** Confirms the login as a person does on the page. @returns the code that it would show */
async function confirm(login: JamsocketLogin): Promise<string> {
  const path = `/test/confirm/${await login.loginToken()}`;
  return (await call(api(), z.object({ code: z.string() }), path, { method: "POST" })).code;
}

describe("`jamsocket login`", () => {
  test("waits for a person, prompts for the code, and is then logged in until it logs out", async () => {
    await using home = await makeFolder();
    await using login = await jamsocketLogin(home.path, subject.origin);
    const code = await confirm(login);
    await login.asksForCode();
    login.type(code);
    const { exitCode, output } = await login.ended;
    expect(exitCode, output).toBe(0);
    expect(output).toContain("You're logged in as bench");

    const jamsocket = await jamsocketOf(home.path, subject.origin);
    expect(await succeeding(jamsocket, "service", "list")).toContain("hello");
    expect(await succeeding(jamsocket, "login")).toContain("You are already logged in as account bench");
    const [session, ...others] = await liveSessions();
    expect(others).toEqual([]);
    expect(session?.kind).toBe("cli");
    expect(session?.user_agent).toMatch(/^jamsocket-cli\//);

    expect(await succeeding(jamsocket, "logout")).toContain("Logged out");
    expect(await liveSessions()).toEqual([]);
    expect((await jamsocket("service", "list")).stderr).toContain("No user credentials found");
  });

  test("with a wrong code says how many tries are left, and leaves nobody logged in", async () => {
    await using home = await makeFolder();
    await using login = await jamsocketLogin(home.path, subject.origin);
    const code = await confirm(login);
    await login.asksForCode();
    login.type(code === "0000" ? "1111" : "0000");
    const { exitCode, output } = await login.ended;
    expect(exitCode).toBe(1);
    expect(output.replace(/\s+/g, " ")).toContain("403 - forbidden: this is not the code");
    expect(output).toContain("4 tries left");
    expect(await liveSessions()).toEqual([]);
  });
});
