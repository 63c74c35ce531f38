/**
 * How what an environment resolves to came to change. `create`: with the environment; `pin`: somebody pinned it; `push`:
 * an image was pushed with the tag that it follows; `promote`: somebody took over what another environment resolves to; `rollback`: somebody
 * went back to an earlier revision; `follow`: somebody had it follow a tag again. The others do not come about yet; they stand here so
 * that a client which was made now reads them.
 */
export const revisionKinds = [
  "create",
  "pin",
  "push",
  "promote",
  "rollback",
  "canary",
  "follow",
  "config",
] as const;
/** One of them. */
export type RevisionKind = (typeof revisionKinds)[number];

/**
 * Revisions that nobody chose for the environment: they follow from what is done elsewhere, as often as that happens, and
 * must not crowd out what somebody chose.
 */
export const followedKinds: readonly RevisionKind[] = ["push", "follow"];
