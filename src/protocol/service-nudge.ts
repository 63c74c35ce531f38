import { z } from "zod";

/** What readers of a service may look at again. */
export const serviceParts = ["backends", "environments", "images"] as const;
export type ServicePart = (typeof serviceParts)[number];

/** From a Service object to its followers: what has changed, not how. */
export const serviceNudge = z.object({ changed: z.array(z.enum(serviceParts)) });
export type ServiceNudge = z.infer<typeof serviceNudge>;
