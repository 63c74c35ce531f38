import { z } from "zod";
import { isTimeZone } from "../../domain/deploys/time-zone.ts";
import { weekdays } from "../../domain/deploys/window-times.ts";
import { time } from "../primitives.ts";

/** How many windows an environment can have. */
export const freezeWindowsMax = 32;
const timeZoneMaxCharacters = 64;

const timeOfDay = "(?:[01]\\d|2[0-3]):[0-5]\\d";

/** When an environment may be changed, or may not (`FreezeWindow` in src/domain/deploys/window-times.ts says what it means). */
export const freezeWindow = z
  .strictObject({
    effect: z.enum(["allow", "deny"]),
    days: z
      .array(z.enum(weekdays))
      .min(1, "a window has a day")
      .max(weekdays.length)
      .refine((days) => new Set(days).size === days.length, "a day is named once")
      .describe("Those on which it begins, in its time zone"),
    from: z.string().regex(new RegExp(`^${timeOfDay}$`), "a time of day is HH:MM, from 00:00 to 23:59"),
    to: z
      .string()
      .regex(new RegExp(`^(?:${timeOfDay}|24:00)$`), "a time of day is HH:MM, from 00:00 to 24:00")
      .describe("On the next day where it is earlier than from"),
    time_zone: z
      .string()
      .max(timeZoneMaxCharacters)
      .refine(isTimeZone, "a time zone is UTC or a name of the IANA database, such as Europe/Berlin"),
    starts_at: time.optional().describe("Before that, it is as if there was no such window"),
    ends_at: time.optional().describe("From then on, it is as if there was no such window"),
  })
  .refine(({ from, to }) => from !== to, "a window does not end at the time of day at which it begins")
  .refine(
    ({ starts_at: start, ends_at: end }) =>
      start === undefined || end === undefined || Date.parse(start) < Date.parse(end),
    "a window's starts_at is before its ends_at",
  )
  .meta({ id: "FreezeWindow" });

/** The setting `windows` of an environment. */
export const freezeWindows = z
  .array(freezeWindow)
  .max(freezeWindowsMax, `an environment has at most ${freezeWindowsMax} windows`);
