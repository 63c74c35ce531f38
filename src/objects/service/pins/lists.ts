import { ok, type Result } from "../../../domain/result.ts";
import { imageSearch } from "../../../domain/search.ts";
import type { Image } from "../../../protocol/v3/images.ts";
import type { Page, SearchQuery } from "../../../protocol/v3/list.ts";
import type { Environment } from "../../../protocol/v3/services.ts";
import type { Caller } from "../../contract.ts";
import { type Keys, newestFirst, type Position, pageOf } from "../../page.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { environmentView } from "./environments.ts";
import { imageView } from "./images.ts";

/** A page of environments, newest first, of those that the caller may see, and whose names contain what is searched. */
export function listEnvironments(
  state: ServiceState,
  { search, ...query }: SearchQuery,
  allowed: readonly string[] | undefined,
): Result<Page<Environment>> {
  return pageOf(query, newestFirst, {
    read: (from, atMost) =>
      state.environments.beyond(from, from.leadsBack, { search: search?.toLowerCase(), allowed }, atMost),
    keyOf: ({ seq }) => seq,
    item: (row) => environmentView(state, row),
  });
}

/** A page of images, newest first; of those that are searched, by their tags and digests. */
export function listImages(
  state: ServiceState,
  service: ServiceRow,
  { search, ...query }: SearchQuery,
  caller: Pick<Caller, "registryHost">,
): Result<Page<Image>> {
  if (search === undefined) {
    return pageOf(query, newestFirst, {
      read: state.sql.imagesBeyond,
      keyOf: ({ seq }) => seq,
      item: (row) => imageView(state, service, row, caller),
    });
  }
  const found = pageOf(query, tagsAndDigests, new ImagesFound(state, search));
  if (!found.ok) return found;
  const items = found.value.items.flatMap((digest) => {
    const row = digest === null ? undefined : state.sql.image(digest);
    return row ? [imageView(state, service, row, caller)] : [];
  });
  return ok({ ...found.value, items });
}

/** A name that is found: a tag, or else a digest. */
interface Name {
  name: string;
  digest: string;
}

const isDigest = (name: string) => name.includes(":");

/** Tags come before digests. */
const tagsAndDigests: Keys<string> = {
  start: "",
  parse: (text) => (/^[\w.:-]{1,200}$/.test(text) ? text : null),
};

/** What a search finds: tags and then digests that begin with it. Each is read by an index, however many there are. */
class ImagesFound {
  readonly #sql: ServiceState["sql"];
  readonly #tag: string;
  readonly #digest: string | null;

  constructor({ sql }: Pick<ServiceState, "sql">, search: string) {
    this.#sql = sql;
    const { tag, digest } = imageSearch(search);
    this.#tag = tag;
    this.#digest = digest;
  }

  read = (from: Position<string>, atMost: number): Name[] => {
    const { key, leadsBack } = from;
    const [near, far] = leadsBack ? [this.#digests, this.#tags] : [this.#tags, this.#digests];
    const isInFar = key !== "" && isDigest(key) !== leadsBack;
    if (isInFar) return far(from, atMost);
    const found = near(from, atMost);
    const left = atMost - found.length;
    return left === 0 ? found : [...found, ...far({ key: "", leadsBack }, left)];
  };

  keyOf = ({ name }: Name): string => name;

  /** The image, at the first name that finds it; null at the others, so that no page shows it again. */
  item = ({ name, digest }: Name): string | null => {
    const first = this.#sql.firstTagFrom(digest, this.#tag);
    return first === undefined || first === name ? digest : null;
  };

  #tags = (from: Pick<Position<string>, "key" | "leadsBack">, atMost: number): Name[] =>
    this.#sql.tagsBeyond(this.#tag, from, atMost).map(({ tag, digest }) => ({ name: tag, digest }));

  #digests = (from: Pick<Position<string>, "key" | "leadsBack">, atMost: number): Name[] =>
    this.#digest === null
      ? []
      : this.#sql.digestsBeyond(this.#digest, from, atMost).map(({ digest }) => ({ name: digest, digest }));
}
