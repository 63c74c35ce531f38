import type { Window } from "./browser.ts";

/** What the browser has received of one request. */
interface Received {
  path: string;
  type: string;
  bytes: number;
  hasData: boolean;
}

/**
 * Opens a page with a cold cache, and weighs what it loads: all that comes over the wire, headers too, as it is sent
 * (compressed); of streams, their first events. @returns the bytes, by the path that was requested
 */
export async function pageWeight({ page, context }: Window, url: string): Promise<Record<string, number>> {
  const session = await context.newCDPSession(page);
  const received = new Map<string, Received>();
  await session.send("Network.enable");
  await session.send("Network.clearBrowserCache");
  session.on("Network.requestWillBeSent", ({ requestId, request, type }) => {
    const path = new URL(request.url).pathname;
    received.set(requestId, { path, type: type ?? "", bytes: 0, hasData: false });
  });
  session.on("Network.responseReceived", ({ requestId, response }) => {
    const of = received.get(requestId);
    if (of) of.bytes += response.encodedDataLength;
  });
  session.on("Network.dataReceived", ({ requestId, encodedDataLength }) => {
    const of = received.get(requestId);
    if (!of) return;
    of.bytes += encodedDataLength;
    of.hasData = true;
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const of = received.get(requestId);
    if (!of) return;
    of.bytes = encodedDataLength;
    of.hasData = true;
  });
  await page.goto(url);
  const streams = await page.locator("[hx-sse\\:connect]").count();
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      // Browsers report little of how they load icons.
      const awaited = [...received.values()].filter(({ type }) => type !== "Other");
      const begun = awaited.filter(({ type }) => type === "Fetch").length;
      if (begun >= streams && awaited.every(({ hasData }) => hasData)) resolve();
    };
    for (const event of ["Network.dataReceived", "Network.loadingFinished"] as const) session.on(event, look);
    session.on("Network.loadingFailed", ({ errorText }) => reject(new Error(errorText)));
    look();
  });
  await session.detach();
  const weights: Record<string, number> = {};
  for (const { path, bytes } of received.values()) weights[path] = (weights[path] ?? 0) + bytes;
  return weights;
}
