import type { BackendStatus } from "../../domain/backends/status.ts";

/** What the digest of an agent's list is made of, for each backend that is on it. */
export interface DigestedBackend {
  status: BackendStatus;
  fencing_token: number;
  idle_seconds?: number | undefined;
}

/**
 * The digest of a list of backends, whose order does not matter. Each backend is a line of ASCII, with single spaces and no line end:
 *
 *     <use> <status> <fencing token> <id>
 *
 * `<use>` is `c` where `idle_seconds` is 0 (it has a connection), `i` where it is more, and `-` where it is left out: how long a
 * backend has been idle does not change the digest. Each line is hashed twice to 32 bits: FNV-1a (offset basis 2166136261, prime
 * 16777619) over the line, and over the line with `+` before it, either followed by the finalizer of MurmurHash3 (`h ^= h >>> 16`,
 * `h *= 0x85ebca6b`, `h ^= h >>> 13`, `h *= 0xc2b2ae35`, `h ^= h >>> 16`). The digest is the sum of the first hashes and the sum of the
 * second, each modulo 2^32, as 16 lower-case hexadecimal digits; that of an empty list is 16 zeros.
 *
 * It finds mistakes, not forgeries: an agent can deceive nobody but itself with it. By being a sum it costs what has changed.
 */
export class ListDigest {
  #first = 0;
  #second = 0;

  add(id: string, backend: DigestedBackend): void {
    const line = lineOf(id, backend);
    this.#first = (this.#first + hashOf(line, firstBasis)) >>> 0;
    this.#second = (this.#second + hashOf(line, secondBasis)) >>> 0;
  }

  remove(id: string, backend: DigestedBackend): void {
    const line = lineOf(id, backend);
    this.#first = (this.#first - hashOf(line, firstBasis)) >>> 0;
    this.#second = (this.#second - hashOf(line, secondBasis)) >>> 0;
  }

  /** Adds what another list has, which has nothing in common with this one. */
  addAll(other: ListDigest): void {
    this.#first = (this.#first + other.#first) >>> 0;
    this.#second = (this.#second + other.#second) >>> 0;
  }

  copy(): ListDigest {
    const copy = new ListDigest();
    copy.addAll(this);
    return copy;
  }

  get text(): string {
    return [this.#first, this.#second].map((sum) => sum.toString(16).padStart(8, "0")).join("");
  }
}

/** The digest of an empty list. */
export const emptyListDigest = new ListDigest().text;

/** What a backend's `idle_seconds` count for in a digest. */
export function useOf({ idle_seconds: idle }: Pick<DigestedBackend, "idle_seconds">): "c" | "i" | "-" {
  if (idle === undefined) return "-";
  return idle === 0 ? "c" : "i";
}

/** What changes rarely comes last, so that what differs is spread over the hash. */
function lineOf(id: string, backend: DigestedBackend): string {
  return `${useOf(backend)} ${backend.status} ${backend.fencing_token} ${id}`;
}

const prime = 16_777_619;
const firstBasis = 2_166_136_261;
/** What FNV-1a has come to after a `+`. */
const secondBasis = Math.imul(firstBasis ^ 0x2b, prime);

function hashOf(line: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), prime);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
