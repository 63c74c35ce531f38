import { z } from "zod";
import { nearestHint } from "../domain/location.ts";

const degrees = z.coerce.number().optional();

/** What Cloudflare says of where a request comes from; elsewhere it says nothing. */
const cfOrigin = z.object({ continent: z.string().optional(), latitude: degrees, longitude: degrees });

/** What `auto` means for a service that a request creates; empty where that is not known. */
export function hintOf(request: Request) {
  const origin = cfOrigin.safeParse(request.cf);
  const near = origin.success ? nearestHint(origin.data) : null;
  return near === null ? {} : { near };
}
