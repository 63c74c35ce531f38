import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import { type Conditions, permitsWrite } from "../../protocol/oci/preconditions.ts";

/**
 * Whether a write's conditions hold for a tag, a manifest or a blob.
 * @param digest what it stands on; null where it is not there
 */
export function checkConditions(
  reference: string,
  digest: string | null,
  conditions: Conditions | undefined,
): OciResult<null> {
  if (conditions === undefined || permitsWrite(conditions, digest)) return { ok: true, value: null };
  const found = digest === null ? "is not there" : `is there, as ${digest}`;
  return ociFail("PRECONDITION_FAILED", `a condition does not hold: \`${reference}\` ${found}`);
}
