/// <reference path="./text-modules.d.ts" />
import { bytesToHex } from "@noble/hashes/utils.js";
import sse from "htmx.org/dist/ext/hx-sse.min.js" with { type: "text" };
import htmx from "htmx.org/dist/htmx.min.js" with { type: "text" };
import { compression } from "../compression.ts";
import style from "./style.css" with { type: "text" };

interface Asset {
  type: string;
  text: string;
}

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#2f7fd1" d="M1 9h14l-2.5 4h-9zM7 2v6H3zM8.500 1v7H13z"/></svg>`;

/** What pages load, in the order in which they need it. */
const assets = {
  "style.css": { type: "text/css; charset=utf-8", text: style },
  // The extension registers itself with htmx, which must come first.
  "live.js": { type: "text/javascript; charset=utf-8", text: `${htmx}\n${sse}` },
  "icon.svg": { type: "image/svg+xml", text: icon },
} as const satisfies Record<string, Asset>;
export type AssetName = keyof typeof assets;

export type AssetPaths = Record<AssetName, string>;

let paths: Promise<AssetPaths> | undefined;

/** The path of each asset, with a digest of its content, so that it can be cached for good. */
export function assetPaths(): Promise<AssetPaths> {
  paths ??= namePaths();
  return paths;
}

async function namePaths(): Promise<AssetPaths> {
  return {
    "style.css": await pathOf("style.css"),
    "live.js": await pathOf("live.js"),
    "icon.svg": await pathOf("icon.svg"),
  };
}

async function pathOf(name: AssetName): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(assets[name].text));
  return `/assets/${bytesToHex(new Uint8Array(digest, 0, 8))}/${name}`;
}

function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(assets, name);
}

/** The asset at a path, or null where there is none. Under the digest of another version it is served uncached. */
export async function assetAnswer(request: Request): Promise<Response | null> {
  const { pathname } = new URL(request.url);
  const name = pathname.slice(pathname.lastIndexOf("/") + 1);
  if (!isAssetName(name)) return null;
  const isCurrent = pathname === (await assetPaths())[name];
  const { text, type } = assets[name];
  return new Response(text, {
    headers: {
      "content-type": type,
      "cache-control": isCurrent ? "public, max-age=31536000, immutable" : "no-store",
      "x-content-type-options": "nosniff",
      ...compression(request),
    },
  });
}
