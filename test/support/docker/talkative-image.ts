import { createHash } from "node:crypto";
import { z } from "zod";
import { nodeImage, type OciBlob, type OciImage } from "../../../src/local/node-image.ts";

/** Prints what its variable `SAYS` holds, then the path of each request. */
const program = `
console.log(process.env.SAYS ?? "nothing to say");
require("node:http").createServer((request, response) => {
  console.log("asked for " + request.url);
  response.end("heard");
}).listen(process.env.PORT, "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
`;

const configShape = z.looseObject({ config: z.looseObject({}) });
const manifestShape = z.looseObject({ config: z.looseObject({}) });

/** An image of the process runtime whose backends print what they are given, with labels. */
export function talkativeImage(labels: Record<string, string> = {}): OciImage {
  const plain = nodeImage(program);
  const read = configShape.parse(JSON.parse(plain.config.bytes.toString()));
  const config = blobOf(plain.config.mediaType, { ...read, config: { ...read.config, Labels: labels } });
  const manifest = manifestShape.parse(JSON.parse(plain.manifest.bytes.toString()));
  const described = { mediaType: config.mediaType, digest: config.digest, size: config.bytes.length };
  return {
    ...plain,
    config,
    manifest: blobOf(plain.manifest.mediaType, { ...manifest, config: described }),
  };
}

function blobOf(mediaType: string, value: object): OciBlob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}
