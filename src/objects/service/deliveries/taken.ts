import { deliveriesTakenAtOnce } from "../../../domain/limits.ts";

/** What was taken up to be sent, by cluster, and the clusters that had more due than that. */
export class Taken {
  readonly #byCluster = new Map<string, Set<string>>();
  readonly #leftForLater = new Set<string>();

  /** Takes something up, unless enough of its cluster were: then it has its turn after them. @returns whether it is taken */
  take(cluster: string, id: string): boolean {
    const taken = this.#byCluster.get(cluster) ?? new Set();
    if (taken.size >= deliveriesTakenAtOnce) {
      this.#leftForLater.add(cluster);
      return false;
    }
    this.#byCluster.set(cluster, taken.add(id));
    return true;
  }

  /** Lets go of what has ended. @returns `some` while others of its cluster are taken; after the last of them whether more was due */
  letGo(cluster: string, id: string): "some" | "none" | "more" {
    const taken = this.#byCluster.get(cluster);
    taken?.delete(id);
    if (taken?.size !== 0) return "some";
    this.#byCluster.delete(cluster);
    return this.#leftForLater.delete(cluster) ? "more" : "none";
  }
}
