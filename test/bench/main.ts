import { cpus } from "node:os";
import { buildBundle } from "./bundle.ts";
import { type Bench, type Comparison, compare } from "./comparison.ts";
import { measureFirstBytes } from "./first-byte/measure.ts";
import { firstByteTable } from "./first-byte/report.ts";
import { type LivesUsage, measureLives } from "./lives.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { crowd, measurePages } from "./pages/measure.ts";
import { pagesTable } from "./pages/report.ts";
import { dollarsPerMillion } from "./prices.ts";
import { compareProxies } from "./proxy/measure.ts";
import { proxyTable } from "./proxy/report.ts";
import { compareRegistries } from "./registry/measure.ts";
import { registryTables } from "./registry/report.ts";
import { comparisonTable, gcTable, livesTable } from "./report.ts";
import { openSandbox } from "./sandbox.ts";
import { measureScale } from "./scale/measure.ts";
import { scaleTable } from "./scale/report.ts";
import { scenarios } from "./scenarios.ts";
import { startWebhookSink } from "./webhook-sink.ts";

/*
 * Measures the production bundle in workerd beside a floor, counts what a backend's life costs, measures the registry
 * and the agent's proxy beside others, the time to a new backend's first byte, and that of the pages. All requests stay
 * on this machine.
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

async function runRegistries({ only, rounds }: Options) {
  if (only !== undefined && only !== "registry") return null;
  const compared = await compareRegistries(sandbox, rounds, say);
  if ("skipped" in compared) say(`registry: skipped: ${compared.skipped}`);
  return compared;
}

async function runProxies(options: Options) {
  if (options.only !== undefined && options.only !== "proxy") return null;
  const compared = await compareProxies(sandbox, options, say);
  if (compared.skipped !== null) say(`proxy: the reference is skipped: ${compared.skipped}`);
  return compared;
}

async function runFirstBytes(options: Options) {
  if (options.only !== undefined && options.only !== "first-byte") return null;
  const measured = await measureFirstBytes(sandbox, options, say);
  for (const { runtime, why } of measured.skipped) say(`first-byte: ${runtime} is skipped: ${why}`);
  return measured;
}

async function runPages({ only }: Options) {
  return only === undefined || only === "pages" ? measurePages(sandbox, say) : null;
}

async function runScale({ only, share }: Options) {
  return only === undefined || only === "scale" ? measureScale(sandbox, share, say) : null;
}

const options = parseOptions(process.argv.slice(2));
if (!options.ok) {
  say(`${options.problem}\n\n${usage}`);
  process.exit(2);
}
const sandbox = openSandbox();
const comparisons = await runComparisons(options.value);
const lives = await runLives(options.value);
const registries = await runRegistries(options.value);
const proxies = await runProxies(options.value);
const firstBytes = await runFirstBytes(options.value);
const pages = await runPages(options.value);
const scale = await runScale(options.value);
if (options.value.json) {
  const priced = lives && {
    ...lives,
    dollarsPerMillion: {
      together: dollarsPerMillion(lives.together),
      keyed: dollarsPerMillion(lives.keyed),
      alone: dollarsPerMillion(lives.alone),
    },
  };
  console.log(
    JSON.stringify(
      { options: options.value, comparisons, lives: priced, registries, proxies, firstBytes, pages, scale },
      null,
      2,
    ),
  );
} else {
  const { seconds, rounds, connections } = options.value;
  if (comparisons.length > 0) {
    console.log(
      `${rounds} rounds of ${seconds} s, ${connections} connections, ${cpus().length} cores; medians, ratios by round\n`,
    );
    console.log(`${comparisonTable(comparisons)}\n`);
    console.log(`${gcTable(comparisons)}\n`);
  }
  if (lives) console.log(`${livesTable(lives)}\n`);
  if (registries && "speeds" in registries) {
    console.log(`registry: ${rounds} rounds, ${cpus().length} cores; medians, ratios by round\n`);
    console.log(`${registryTables(registries)}\n`);
  }
  if (proxies) {
    console.log(
      `proxy: ${rounds} rounds of ${seconds} s, ${connections} connections, ${cpus().length} cores; medians, ratios by round\n`,
    );
    console.log(`${proxyTable(proxies.speeds)}\n`);
  }
  if (firstBytes && firstBytes.results.length > 0) {
    console.log(`first byte: the Worker under Miniflare, busybox httpd, ${cpus().length} cores\n`);
    console.log(`${firstByteTable(firstBytes.results)}\n`);
  }
  if (pages) {
    console.log(
      `pages: ${crowd} live backends, ${crowd} images, ${cpus().length} cores; one request after the other\n`,
    );
    console.log(`${pagesTable(pages)}\n`);
  }
  if (scale) {
    const { images, live, ended, environments } = scale.large;
    console.log(
      `scale: ${images} images and tags, ${live} live and ${ended} ended backends, ${environments} environments; beside 10 of each\n`,
    );
    console.log(scaleTable(scale));
  }
}
process.exit(0);
