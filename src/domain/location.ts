import { fail, ok, type Result } from "./result.ts";

/** Where an object may be placed: all of Cloudflare's location hints, as `DurableObjectLocationHint` has them. */
export const locationHints = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const;
/** One of them. */
export type LocationHint = (typeof locationHints)[number];

/** Where a service may be; `auto`: no hint was given, and its objects are near their first requests. */
export const serviceLocations = ["auto", ...locationHints] as const;
/** Where a service is. */
export type ServiceLocation = (typeof serviceLocations)[number];

/** Where a request comes from, as far as that is known. */
export interface Origin {
  /** Of two letters: AF, AN, AS, EU, NA, OC or SA. */
  continent?: string | undefined;
  /** In degrees, to the north and to the east. */
  latitude?: number | undefined;
  longitude?: number | undefined;
}

/** West of it lie the cities that have their shortest way to western data centers: Denver does, Dallas does not. */
const westernNorthAmericaEndsAt = -100;
/** Between Prague and Vienna. */
const easternEuropeBeginsAt = 15;
/** Iran, Arabia, the Caucasus and all of Turkey lie west of it; Pakistan, India and most of central Asia do not. */
const middleEastEndsAt = 60;
/** Of what is north of the tropic only the far east is near Tokyo: India is nearer to Singapore. */
const northeastAsiaBegins = { longitude: 100, latitude: 23.4 };

/**
 * What `auto` means for a request: the hint of its continent, and of the part of it where the continent has several and
 * the request's coordinates are known. Null where the continent is not known: then no hint is the better one.
 */
export function nearestHint({ continent, latitude, longitude }: Origin): LocationHint | null {
  switch (continent) {
    case "AF":
      return "afr";
    case "AN":
    case "OC":
      return "oc";
    case "SA":
      return "sam";
    case "NA":
      return longitude !== undefined && longitude < westernNorthAmericaEndsAt ? "wnam" : "enam";
    case "EU":
      return longitude !== undefined && longitude >= easternEuropeBeginsAt ? "eeur" : "weur";
    case "AS":
      return hintInAsia(latitude, longitude);
    default:
      return null;
  }
}

/** The easternmost of Asia is east of the date line, where longitudes are negative. */
function hintInAsia(latitude: number | undefined, longitude: number | undefined): LocationHint {
  if (latitude === undefined || longitude === undefined) return "apac";
  const east = longitude < 0 ? longitude + 360 : longitude;
  if (east < middleEastEndsAt) return "me";
  const { longitude: easternmost, latitude: tropic } = northeastAsiaBegins;
  return east >= easternmost && latitude >= tropic ? "apac-ne" : "apac-se";
}

/**
 * Where a service is created. An object stays where it was first called, so that a name which had one keeps its location:
 * `location_fixed` where another was requested.
 * @param requested undefined: `auto`
 * @param near what `auto` means for this request; undefined where that is not known
 * @param existing of the service that had the name, or whose creation was cut short; undefined where there is none
 */
export function chooseLocation(
  name: string,
  requested: ServiceLocation | undefined,
  near: LocationHint | undefined,
  existing: ServiceLocation | undefined,
): Result<ServiceLocation> {
  const hint = requested === "auto" ? undefined : requested;
  if (existing === undefined) return ok(hint ?? near ?? "auto");
  if (hint === undefined || hint === existing) return ok(existing);
  return fail(
    "location_fixed",
    `a service \`${name}\` was created with location \`${existing}\`, which its name keeps; leave \`location\` out, or take another name`,
    { details: { location: existing } },
  );
}
