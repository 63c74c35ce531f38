import { cpus } from "node:os";
import { buildBundle } from "./bundle.ts";
import { type Bench, type Comparison, compare } from "./comparison.ts";
import { type LivesUsage, measureLives } from "./lives.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { dollarsPerMillion } from "./prices.ts";
import { comparisonTable, livesTable } from "./report.ts";
import { openSandbox } from "./sandbox.ts";
import { scenarios } from "./scenarios.ts";
import { startWebhookSink } from "./webhook-sink.ts";

/*
 * Measures the production bundle in workerd beside a floor, and counts what a backend's life costs. Nothing of it
 * leaves this machine.
 */

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function runComparisons(options: Options): Promise<Comparison[]> {
  const wanted = scenarios.filter(({ name }) => options.only === undefined || options.only === name);
  if (wanted.length === 0) return [];
  const floor = await buildBundle(sandbox, "floor", "test/bench/worker/floor.toml");
  const subject = await buildBundle(sandbox, "subject", "wrangler.toml");
  const sink = await startWebhookSink();
  const bench: Bench = { sandbox, floor, subject, webhookUrl: sink.url, ...options };
  const comparisons: Comparison[] = [];
  for (const scenario of wanted) comparisons.push(...(await compare(bench, scenario, say)));
  sink.close();
  return comparisons;
}

async function runLives(options: Options): Promise<LivesUsage | null> {
  if (options.only !== undefined && options.only !== "cost") return null;
  const metered = await buildBundle(sandbox, "metered", "wrangler.toml", "test/bench/worker/metered.ts");
  return measureLives(sandbox, metered, say);
}

const options = parseOptions(process.argv.slice(2));
if (!options.ok) {
  say(`${options.problem}\n\n${usage}`);
  process.exit(2);
}
const sandbox = openSandbox();
const comparisons = await runComparisons(options.value);
const lives = await runLives(options.value);
if (options.value.json) {
  const priced = lives && {
    ...lives,
    dollarsPerMillion: { together: dollarsPerMillion(lives.together), alone: dollarsPerMillion(lives.alone) },
  };
  console.log(JSON.stringify({ options: options.value, comparisons, lives: priced }, null, 2));
} else {
  const { seconds, rounds, connections } = options.value;
  if (comparisons.length > 0) {
    console.log(
      `${rounds} rounds of ${seconds} s, ${connections} connections, ${cpus().length} cores; medians, ratios by round\n`,
    );
    console.log(`${comparisonTable(comparisons)}\n`);
  }
  if (lives) console.log(livesTable(lives));
}
process.exit(0);
