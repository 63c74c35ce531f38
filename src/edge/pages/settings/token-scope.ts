import type { Scope } from "../../../domain/credentials/access.ts";
import { namesInRowMax } from "../../../domain/limits.ts";
import { someText } from "../elements/some-of.tsx";

type Narrowing = { [Field in "service" | "environments" | "cluster"]?: Scope[Field] | undefined };

/** The rights of a token as text. */
export function rightsText({ rights = [] }: Pick<Scope, "rights">): string {
  return rights.length === 0 ? "none" : rights.join(", ");
}

/** The scope of a token as text. */
export function scopeText({ service, environments, cluster }: Narrowing): string {
  if (cluster !== undefined) return `cluster ${cluster}`;
  if (service === undefined) return "the whole account";
  if (environments === undefined) return `service ${service}`;
  return `service ${service}, ${environments.length === 1 ? "environment" : "environments"} ${someText(environments, namesInRowMax)}`;
}
