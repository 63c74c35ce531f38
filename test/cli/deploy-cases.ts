import * as answers from "./answers.ts";
import type { CommandCase } from "./command-cases.ts";

/* Those of the commands that change an environment safely. */

const { digestA, digestB } = answers;
const prod = "/services/hello/environments/prod";
const checks = `/services/hello/images/${encodeURIComponent(digestA)}/checks`;
const change = answers.waitingChange.id;
const env = (command: string) => ["env", ...command.split(" ")];

const waits = [`change ${change} waits for 1 approval`, `slipway env approve hello/prod ${change}`, "0 of 1"];
const changeSays = [change, "promote", "ci (abcdefghjkm1)"];

const moves: CommandCase[] = [
  {
    args: [...env("promote hello/prod --from staging --note"), "release 12"],
    sends: `POST ${prod}/promote`,
    body: { from: "staging", note: "release 12" },
    answer: answers.promoted,
    says: ["hello/prod", digestA, "(before)", digestB],
  },
  {
    args: [...env(`promote hello/prod --from staging --digest ${digestA} --force --note`), "it burns"],
    sends: `POST ${prod}/promote`,
    body: { from: "staging", digest: digestA, force: true, note: "it burns" },
    status: 202,
    answer: answers.waitingChange,
    says: waits,
  },
  {
    args: env("promote hello/prod --from staging --plan"),
    sends: `POST ${prod}/promote?plan=true`,
    body: { from: "staging" },
    answer: answers.planned,
    says: [
      "A plan, nothing was done: promote of hello/prod",
      `before  v11                  ${digestB}  6`,
      `after   sha256:aaaaaaaaaaaa  ${digestA}`,
      "min_ready         pending  3 ",
      "25 % of 4 sessions",
      "at most 7 % of at least 20",
      "40 s                900 s",
      "e2e, scan",
      "2026-11-24T10:30:00.000Z",
      "approvals           1",
      "clusters_told       eu-prod",
      "5: 3 on sha256:bbbbbbbbbbbb, 2 on others",
      "It would be refused:\n- gates of environment `prod` are not met (gate_not_met)",
    ],
  },
  {
    args: env("rollback hello/prod"),
    sends: `POST ${prod}/rollback`,
    body: {},
    answer: answers.rolledBack,
    says: [
      "It is back at what revision 6 ran.",
      `It has rejected ${digestA}`,
      "does not follow `main` any more",
      "slipway env follow hello/prod",
    ],
  },
  {
    args: [...env("rollback hello/prod --to verified --force --note"), "it burns"],
    sends: `POST ${prod}/rollback`,
    body: { to: "verified", force: true, note: "it burns" },
    answer: { ...answers.rolledBack, rejected: null, unfollowed: null },
    says: ["It is back at what revision 6 ran.\n"],
  },
  {
    args: env("rollback hello/prod --to 6 --plan"),
    sends: `POST ${prod}/rollback?plan=true`,
    body: { to: 6 },
    answer: answers.plannedRollback,
    says: [
      "force_overrides     environment_stopped",
      `rejects             ${digestB}`,
      "unfollows           main",
      "sessions_that_stay  none",
      "It would be done at once.",
    ],
  },
  {
    args: [...env("follow hello/prod --tag main --note"), "it is mended"],
    sends: `POST ${prod}/follow`,
    body: { tag: "main", note: "it is mended" },
    answer: answers.pinned,
    says: ["hello/prod"],
  },
  {
    args: env("follow hello/prod --plan"),
    sends: `POST ${prod}/follow?plan=true`,
    body: {},
    answer: { ...answers.planned, refusals: [], approvals_needed: 2 },
    says: ["It would wait for 2 approvals."],
  },
  {
    args: [...env("pin hello/prod v12 --force --note"), "it burns"],
    sends: `PUT ${prod}/pin`,
    body: { image: "v12", force: true, note: "it burns" },
    status: 202,
    answer: { ...answers.waitingChange, kind: "pin", forced: true },
    says: [...waits, "forced        yes"],
  },
  {
    args: env("pin hello/prod v12 --plan"),
    sends: `PUT ${prod}/pin?plan=true`,
    body: { image: "v12" },
    answer: { ...answers.planned, kind: "pin" },
    says: ["A plan, nothing was done: pin of hello/prod"],
  },
];

const stops: CommandCase[] = [
  {
    args: [...env("freeze hello/prod --reason"), "the fair is on"],
    sends: `PUT ${prod}/stop`,
    body: { reason: "the fair is on" },
    answer: answers.stopped,
    says: ["`hello/prod` is stopped: the fair is on", "slipway env unfreeze hello/prod"],
  },
  {
    args: env("unfreeze hello/prod"),
    sends: `DELETE ${prod}/stop`,
    answer: answers.prod,
    says: ["`hello/prod` is stopped no more"],
  },
  {
    args: env("unfreeze hello/prod --plan"),
    sends: `DELETE ${prod}/stop?plan=true`,
    answer: { ...answers.planned, kind: "unstop" },
    says: ["unstop of hello/prod"],
  },
  {
    args: env("show hello/prod"),
    sends: `GET ${prod}`,
    answer: answers.stopped,
    says: [
      "stopped          the fair is on (by ci, 2026-11-24T10:30:00.000Z)",
      `unfollowed       main, which is ${digestA} now`,
    ],
  },
  {
    args: env("list hello"),
    sends: "GET /services/hello/environments?limit=200",
    answer: { environments: [answers.stopped, answers.unpushed] },
    says: ["UNFOLLOWED  STOPPED", "main        the fair is on"],
  },
];

const protections: CommandCase[] = [
  {
    args: env("protect hello/prod"),
    sends: `GET ${prod}`,
    answer: answers.protectedProd,
    says: [
      "gates_from          staging qa (all)",
      "min_ready           20",
      "max_failed_share    0.05",
      "min_samples         10",
      "soak                900 s",
      "checks              e2e, security scan",
      "changer_roles       admin",
      "changer_tokens      abcdefghjkm1",
      "require_digest      yes",
      "spawn_tag           no",
      "follow              candidate",
      "approvals           2",
      "windows             deny fri,sat 16:00-06:00 Europe/Berlin until 2027-01-10T00:00:00Z",
      "emergency_rollback  no",
    ],
  },
  {
    args: env("protect hello/prod"),
    sends: `GET ${prod}`,
    answer: answers.prod,
    says: ["Nothing protects it."],
  },
  {
    args: [
      ...env("protect hello/prod --no-gates --gates-from staging,qa --match all --min-ready 20"),
      ...["--max-failed-share", "0.05", "--min-samples", "10", "--soak", "900"],
      ...["--check", "e2e", "--check", "security scan"],
      ...["--no-changers", "--changer-role", "admin", "--changer-token", "abcdefghjkm1", "--require-digest"],
      ...["--no-spawn-tag", "--follow", "candidate", "--approvals", "2", "--no-emergency-rollback"],
      ...["--windows", JSON.stringify(answers.protectedProd.settings.windows)],
    ],
    sends: `PATCH ${prod}`,
    body: {
      settings: Object.fromEntries(
        Object.entries(answers.protectedProd.settings).filter(([field]) => !field.endsWith("_seconds")),
      ),
    },
    answer: answers.protectedProd,
    says: ["gates_from          staging qa (all)"],
  },
  {
    args: env(
      "protect hello/prod --no-gates --no-changers --no-require-digest --spawn-tag --follow auto --approvals 0 " +
        "--no-windows --emergency-rollback",
    ),
    sends: `PATCH ${prod}`,
    body: {
      settings: {
        gates: null,
        changers: null,
        require_digest: false,
        allow_spawn_tag: true,
        follow: "auto",
        approvals: 0,
        windows: null,
        emergency_rollback: true,
      },
    },
    status: 202,
    answer: { ...answers.waitingChange, kind: "settings", digest: null },
    says: waits,
  },
  {
    args: env("protect hello/prod --approvals 1 --plan"),
    sends: `PATCH ${prod}?plan=true`,
    body: { settings: { approvals: 1 } },
    answer: { ...answers.planned, kind: "settings", refusals: [], approvals_needed: 0 },
    says: ["settings of hello/prod", "It would be done at once."],
  },
  {
    args: env("update hello/prod --max-idle 15m --plan"),
    sends: `PATCH ${prod}?plan=true`,
    body: { settings: { max_idle_seconds: 900 } },
    answer: { ...answers.planned, kind: "settings" },
    says: ["settings of hello/prod"],
  },
  {
    args: env("update hello/prod --cluster eu-prod"),
    sends: `PATCH ${prod}`,
    body: { cluster: "eu-prod" },
    status: 202,
    answer: { ...answers.waitingChange, kind: "settings" },
    says: waits,
  },
  {
    args: env("delete hello/prod --plan"),
    sends: `DELETE ${prod}?plan=true`,
    answer: { ...answers.planned, kind: "delete", after: null },
    says: ["after   none: it would be gone"],
  },
  {
    args: env("delete hello/prod"),
    sends: `DELETE ${prod}`,
    status: 202,
    answer: { ...answers.waitingChange, kind: "delete", digest: null },
    says: waits,
  },
];

const approvals: CommandCase[] = [
  {
    args: env("changes hello/prod"),
    sends: `GET ${prod}/changes?limit=200`,
    answer: {
      changes: [
        answers.waitingChange,
        answers.executedChange,
        { ...answers.waitingChange, state: "rejected", outcome: "not on a Friday" },
      ],
    },
    says: [...changeSays, "0 of 1", "1 of 1: ada (abcdefghjkm3), looks good", "not on a Friday"],
  },
  {
    args: [...env(`approve hello/prod ${change} --note`), "looks good"],
    sends: `POST ${prod}/changes/${change}/approve`,
    body: { note: "looks good" },
    answer: answers.executedChange,
    says: [...changeSays, "executed", "1 of 1: ada (abcdefghjkm3), looks good", "forced        yes"],
  },
  {
    args: env(`reject hello/prod ${change}`),
    sends: `POST ${prod}/changes/${change}/reject`,
    body: {},
    answer: { ...answers.waitingChange, state: "rejected", outcome: "not on a Friday" },
    says: [...changeSays, "rejected", "not on a Friday"],
  },
  {
    args: env(`withdraw hello/prod ${change}`),
    sends: `POST ${prod}/changes/${change}/withdraw`,
    body: {},
    answer: { ...answers.waitingChange, state: "withdrawn" },
    says: [...changeSays, "withdrawn"],
  },
];

const heldBack: CommandCase[] = [
  {
    args: env("candidates hello/prod"),
    sends: `GET ${prod}/candidates`,
    answer: { candidates: [answers.candidateA, { ...answers.candidateA, by: null, gates: [] }] },
    says: [digestA, "main", "ci (abcdefghjkm1)", "1 of 5", "environment_frozen", "`prod` is frozen"],
  },
  {
    args: env("rejections hello/prod"),
    sends: `GET ${prod}/rejections`,
    answer: { rejections: [answers.rejectionA] },
    says: [digestA, "ada (abcdefghjkm3)", "sessions crash on save"],
  },
  {
    args: [...env(`lift hello/prod ${digestA} --note`), "it was the database"],
    sends: `POST ${prod}/rejections/${encodeURIComponent(digestA)}/lift`,
    body: { note: "it was the database" },
    status: 204,
    says: [`\`hello/prod\` rejects ${digestA} no more`],
  },
  {
    args: env(`checks hello ${digestA}`),
    sends: `GET ${checks}`,
    answer: { checks: [answers.checkE2e] },
    says: ["e2e    passed", "ci (abcdefghjkm1)", "https://ci.example.com/runs/17", "all 212 passed"],
  },
  {
    args: [
      ...env(`checks hello ${digestA} --url https://ci.example.com/runs/17 --post a=b=failed --note`),
      "see there",
    ],
    sends: `POST ${checks}`,
    body: { name: "a=b", state: "failed", url: "https://ci.example.com/runs/17", note: "see there" },
    answer: { ...answers.checkE2e, name: "a=b", state: "failed" },
    says: ["a=b    failed"],
  },
  {
    args: env("history hello/prod"),
    sends: `GET ${prod}/history?limit=200`,
    answer: {
      revisions: [
        { ...answers.revision7, kind: "promote", from: "staging", gates: "passed" },
        { ...answers.revision7, kind: "rollback", unfollowed: "main", returnable: false },
      ],
    },
    says: ["promote from staging, gates passed", "rollback, unfollowed main", "RETURN", "no "],
  },
];

export const deployCases: readonly CommandCase[] = [
  ...moves,
  ...stops,
  ...protections,
  ...approvals,
  ...heldBack,
];
