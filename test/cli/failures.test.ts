import { describe, expect, test } from "vitest";
import * as answers from "./answers.ts";
import { refusal, startRecordedApi } from "./recorded-api.ts";
import { slipwayAsAcme, slipwayProcessAsAcme } from "./slipway.ts";

describe("refused requests end with exit code 1 and one line on stderr", { timeout: 30_000 }, () => {
  test("an error of the API is reported with its code and request id, with --json too", async () => {
    await using api = await startRecordedApi([
      refusal(
        "environment_not_found",
        "environment `prdo` not found; this service has `prod`, `staging`",
        "r-9",
      ),
      refusal("revision_conflict", "the current revision is 8, not 6", "r-10"),
    ]);
    expect(await slipwayAsAcme(api.url, ["env", "show", "hello/prdo"])).toEqual({
      exitCode: 1,
      stdout: "",
      stderr:
        "error: environment `prdo` not found; this service has `prod`, `staging` (environment_not_found, request r-9)\n",
    });
    expect(
      await slipwayAsAcme(api.url, ["env", "pin", "hello/prod", "v1", "--if-revision", "6", "--json"]),
    ).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "error: the current revision is 8, not 6 (revision_conflict, request r-10)\n",
    });
  });

  test("an error on a later page leaves no half list behind", async () => {
    await using api = await startRecordedApi([
      { body: { clusters: [answers.healthyEuProd], next_cursor: "2" } },
      refusal("unavailable", "try again", "r-11"),
    ]);
    const ended = await slipwayAsAcme(api.url, ["clusters", "list"]);
    expect(ended).toMatchObject({ exitCode: 1, stdout: "" });
    expect(ended.stderr).toBe("error: try again (unavailable, request r-11)\n");
  });

  test("an answer that is not the API's is named with its status", async () => {
    await using api = await startRecordedApi([{ status: 502, body: "<html>Bad Gateway</html>" }]);
    const { exitCode, stderr } = await slipwayAsAcme(api.url, ["services", "show", "hello"]);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      `error: GET ${api.url}/v3/accounts/acme/services/hello was answered with 502, but not by Slipway's API\n`,
    );
  });

  test.for(["<html>Welcome</html>", { name: "hello" }])(
    "a success that is not the API's is not taken for one: %j",
    async (body) => {
      await using api = await startRecordedApi([{ body }]);
      const { exitCode, stdout, stderr } = await slipwayAsAcme(api.url, ["services", "show", "hello"]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr).toContain("answered in a form that this command does not know");
    },
  );

  test("an answer with a content coding, which nobody asked for, is not read", async () => {
    await using api = await startRecordedApi([{ body: {}, headers: { "content-encoding": "br" } }]);
    const { exitCode, stderr } = await slipwayAsAcme(api.url, ["services", "show", "hello"]);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      `error: the answer of ${api.url} is not read: it answered with the content coding \`br\`, where none was accepted\n`,
    );
    expect(api.requests[0]?.headers["accept-encoding"]).toBe("identity");
  });

  test("a redirect is not followed, since it could turn a change into something else", async () => {
    await using api = await startRecordedApi([
      { status: 301, headers: { location: "/elsewhere" } },
      { body: answers.hello },
    ]);
    const { exitCode, stderr } = await slipwayAsAcme(api.url, ["services", "create", "hello"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("answered with 301 to /elsewhere");
    expect(api.requests).toHaveLength(1);
  });

  test("a deployment that is not running is named, with how to start one", async () => {
    const api = await startRecordedApi([]);
    await api[Symbol.asyncDispose]();
    const { exitCode, stderr } = await slipwayProcessAsAcme(api.url, ["services", "list"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`cannot reach Slipway at ${api.url} (ECONNREFUSED)`);
    expect(stderr).toContain("`npm start`");
  });
});

describe("wrong usage ends with exit code 2 and sends nothing", { timeout: 30_000 }, () => {
  const wrong: [args: string[], says: string][] = [
    [["nonsense"], "unknown command 'nonsense'"],
    [["services", "list", "--nonsense"], "unknown option '--nonsense'"],
    [["services", "show"], "missing required argument 'name'"],
    [["services", "show", ".."], "a name is 1 to 40 characters"],
    [["services", "delete", ""], "a name is 1 to 40 characters"],
    [["services", "update", "hello"], "nothing to change"],
    [["services", "list", "--limit", "0"], "expected a whole number from 1"],
    [["tokens", "create", "ci"], "required option '--role <role>' not specified"],
    [["tokens", "create", "ci", "--role", "boss"], "Allowed choices are admin, deploy, spawn, read"],
    [["tokens", "create", "ci", "--role", "read", "--expires-in", "soon"], "expected a duration"],
    [["tokens", "create", "ci", "--role", "read", "--right", "admin"], "a right is approve or check"],
    [
      ["tokens", "create", "ci", "--role", "read", "--right", "check", "--right", "check"],
      "each right is given once",
    ],
    [
      ["tokens", "create", "ci", "--role", "read", "--environment", "qa"],
      "environments names their `service`",
    ],
    [["tokens", "revoke", "a/b"], "letters and digits only"],
    [["clusters", "create", "eu"], "required option '--webhook-url <url>'"],
    [
      ["clusters", "create", "eu", "--webhook-url", "https://a.example", "--ack", "async"],
      "needs a backend_url",
    ],
    [["clusters", "update", "eu"], "nothing to change"],
    [["env", "show", "hello"], "name it as SERVICE/ENV"],
    [["env", "show", "hello/prod/1"], "name it as SERVICE/ENV"],
    [["env", "update", "hello/prod"], "nothing to change"],
    [["env", "update", "hello/prod", "--startup-timeout", "0"], "startup_timeout_seconds"],
    [["env", "pin", "hello/prod", "sha256:abc"], "is not an image digest"],
    [["env", "pin", "hello/prod", "v1", "--if-revision", "now"], "expected a whole number from 1"],
    [["env", "drain", "hello/prod"], "name one of `digest`, `before_revision` and `before`"],
    [["env", "drain", "hello/prod", "--digest", "v12"], "a digest is sha256:"],
    [["env", "drain", "hello", "--before-revision", "7"], "name it as `environment`"],
    [["env", "drain", "hello/prod/1", "--before-revision", "7"], "name it as SERVICE or SERVICE/ENV"],
    [["env", "drain", "hello/prod", "--before-revision", "7", "--rate", "6001"], "rate_per_minute"],
    [["env", "drain", "hello/prod", "--before", "monday"], "Invalid ISO datetime"],
    [["env", "drains", "hello", "--watch", "a", "--cancel", "b"], "name one option"],
    [["env", "drains", "hello", "--cancel", "../x"], "letters, digits and hyphens only"],
    [["images", "add", "hello", "v12"], "a digest is sha256:"],
    [["env", "promote", "hello/prod"], "required option '--from <env>'"],
    [["env", "promote", "hello/prod", "--from", "qa", "--digest", "v1"], "a digest is sha256:"],
    [["env", "promote", "hello/prod", "--from", "qa", "--timeout", "soon"], "expected a duration"],
    [["env", "rollback", "hello/prod", "--to", "yesterday"], "expected a revision, `previous` or `verified`"],
    [["env", "freeze", "hello/prod"], "required option '--reason <text>'"],
    [["env", "freeze", "hello/prod", "--reason", ""], "reason"],
    [["env", "lift", "hello/prod", `sha256:${"a".repeat(64)}`], "required option '--note <text>'"],
    [["env", "approve", "hello/prod", ".."], "letters, digits and hyphens only"],
    [["env", "checks", "hello", `sha256:${"a".repeat(64)}`, "--note", "x"], "add --post"],
    [["env", "checks", "hello", `sha256:${"a".repeat(64)}`, "--post", "e2e"], "name it as NAME=STATE"],
    [["env", "checks", "hello", `sha256:${"a".repeat(64)}`, "--post", "e2e=fine"], "name it as NAME=STATE"],
    [["env", "protect", "hello/prod", "--plan"], "nothing to change"],
    [
      ["env", "protect", "hello/prod", "--no-gates", "--soak", "900"],
      "settings.gates.soak_seconds: it takes `from`",
    ],
    [["env", "protect", "hello/prod", "--gates-from", "staging,"], "a name is 1 to 40 characters"],
    [["env", "protect", "hello/prod", "--max-failed-share", "5%"], "expected a share from 0 to 1"],
    [["env", "protect", "hello/prod", "--max-failed-share", ""], "expected number"],
    [["env", "protect", "hello/prod", "--max-failed-share", "1.5"], "Too big"],
    [["env", "protect", "hello/prod", "--changer-role", "boss"], "a role is one of admin"],
    [["env", "protect", "hello/prod", "--approvals", "many"], "expected a number from 0 to 10"],
    [["env", "protect", "hello/prod", "--approvals", "11"], "expected a number from 0 to 10"],
    [["env", "protect", "hello/prod", "--windows", "nowhere.json"], "nowhere.json cannot be read"],
    [["env", "protect", "hello/prod", "--windows", "[1"], "this is not JSON"],
    [["env", "protect", "hello/prod", "--windows", "[{}]"], "error: windows.0.effect"],
    [["backends", "list", "hello", "--status", "swept"], "Allowed choices are scheduled"],
    [["backends", "list", "hello", "--key", "k".repeat(129)], "at most 128 characters"],
  ];

  test.for(wrong)("slipway %j", async ([args, says]) => {
    await using api = await startRecordedApi([]);
    const ended = await slipwayAsAcme(api.url, args);
    expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ended.stderr).toContain(says);
    expect(api.requests).toEqual([]);
  });
});
