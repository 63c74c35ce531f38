import { styleText } from "node:util";
import { demoService } from "./demo/seed.ts";
import type { LocalJson } from "./state/local-json.ts";

/**
 * What is printed when everything is ready.
 * @param loginUrl logs in to the dashboard, once
 * @param stateDir as it was named
 */
export function readyScreen(local: LocalJson, loginUrl: string, stateDir: string): string {
  const bold = (text: string) => styleText("bold", text, { stream: process.stdout });
  const dim = (text: string) => styleText("dim", text, { stream: process.stdout });
  const width = Math.max(...local.clusters.map(({ name }) => name.length));
  const slipway = stateDir === ".slipway" ? "npx slipway" : `SLIPWAY_STATE_DIR=${stateDir} npx slipway`;
  return `
${bold("Slipway is running.")}

  ${"dashboard".padEnd(width)}  ${loginUrl}   ${dim("# logs in once, within 24 h")}
  ${"API".padEnd(width)}  ${local.api_url}
${local.clusters.map(({ name, agent_url }) => `  ${name.padEnd(width)}  ${agent_url}`).join("\n")}
  ${"state, logs".padEnd(width)}  ${stateDir}

${bold("Try next")} ${dim("in another terminal")}

  ${dim("# the Jamsocket CLI, as it is")}
  export JAMSOCKET_SERVER_API=${local.api_url}
  npx jamsocket login --token ${local.token}
  npx jamsocket connect ${demoService}/prod --key my-document   ${dim("# runs v1: open the backend url")}
  npx jamsocket connect ${demoService}/staging                  ${dim("# runs v2")}
  npx jamsocket service use-image ${demoService}/prod -i v2     ${dim("# pin another image")}
  npx jamsocket service info ${demoService}

  ${dim("# Slipway's own command")}
  ${slipway} env list ${demoService}
  ${slipway} env history ${demoService}/prod

${dim("Ctrl-C stops everything; started again, it finds its state as it was.")}
`;
}
