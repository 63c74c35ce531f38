import { z } from "zod";

/** The parts of a service that its followers read separately. */
export const serviceParts = ["backends", "environments", "images"] as const;
export type ServicePart = (typeof serviceParts)[number];

/** From a Service object to its followers, between the objects and the Worker only: which parts have changed, not how. */
export const serviceNudge = z.object({ changed: z.array(z.enum(serviceParts)) });
export type ServiceNudge = z.infer<typeof serviceNudge>;
