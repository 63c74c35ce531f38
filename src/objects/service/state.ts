import type { SessionStep } from "../../domain/deploys/session-outcome.ts";
import { fencingTokenBlock } from "../../domain/limits.ts";
import type { ConnectSnapshot } from "../../domain/pins/connect.ts";
import type { ImageIndex } from "../../domain/pins/images.ts";
import { nothingHeld } from "../../domain/quotas.ts";
import { fail, type Result } from "../../domain/result.ts";
import type { ServicePart } from "../../protocol/service-nudge.ts";
import type { ResourceLimits } from "../../protocol/webhooks/webhook.ts";
import type { AccountConfig, ClusterConfig } from "../contract.ts";
import { Database } from "../database.ts";
import { type IdempotencySql, idempotencySql } from "../idempotency.sql.ts";
import { BackendActivity } from "./backends/activity.ts";
import { Listings, watchedBackends } from "./backends/listings.ts";
import { SpawnDeliveryState } from "./deliveries/delivery-state.ts";
import { ArmCounters, type Birth } from "./deploys/arms.ts";
import { DrainsUnderWay } from "./drains/under-way.ts";
import { EnvironmentIndex } from "./environment-index.ts";
import { UsageCounters } from "./feed/usage.ts";
import { notifyingWrites } from "./feed/visible-changes.ts";
import { LastSpawns } from "./last-spawns.ts";
import { LiveBackends } from "./live-backends.ts";
import { Announcements } from "./pins/announcements.ts";
import { RowIndex } from "./row-index.ts";
import type { Held } from "./sql/holdings.sql.ts";
import type { ImageRow } from "./sql/images.sql.ts";
import { serviceMigrations } from "./sql/migrations.ts";
import type { BackendRow, KeptBackend, PendingDelivery, ServiceRow } from "./sql/service.sql.ts";
import { reads, type Statements, writes } from "./sql/statements.ts";

/** What a decision fixed about a backend beside its columns; the webhook is made from it on every delivery. */
export interface BackendSpec {
  repository: string;
  tag: string | null;
  pin: { image: string; revision: number };
  env: Record<string, string>;
  startupTimeoutSeconds: number;
  maxIdleSeconds: number;
  lifetimeLimitSeconds?: number;
  resources?: ResourceLimits;
  mount?: string | boolean;
  port?: number;
  requireBearerToken: boolean;
  secretToken: string;
  /** Left out where the spawn named its image: it counts for no arm. */
  birth?: Birth;
}

/** Called on writes as they are made, inside their transactions. */
export interface StateWatchers {
  visibleChanged?: (parts: readonly ServicePart[]) => void;
  eventWritten?: () => void;
  /** Called inside a transaction that may still be rolled back: look after it. */
  backendEnded?: (backendId: string) => void;
}

/** A message names the nearest of these. */
const recentTagsForMessages = 50;

/** A service's storage, with what is read from it on every request kept parsed. */
export class ServiceState {
  readonly db: Database;
  readonly sql: Statements;
  readonly environments = new EnvironmentIndex((names) =>
    names === null ? this.sql.environments() : this.sql.environmentsNamed(names),
  );
  readonly backends = new LiveBackends((ids) => this.sql.keptBackends(ids));
  readonly lastSpawns = new LastSpawns(this.environments, this.backends);
  /** What is to be delivered but spawns, that which was due the longest first. */
  readonly deliveries: RowIndex<PendingDelivery>;
  /** Which environments are to be announced. */
  readonly announcements = new Announcements({
    environments: this.environments,
    written: () => this.#row()?.announced_until ?? 0,
    write: (until) => this.sql.setAnnounced(until),
  });
  /** Which drains are under way, and how long sessions live. */
  readonly drains = new DrainsUnderWay({
    backends: this.backends,
    resolves: (environment) => this.environments.get(environment)?.digest,
    service: () => this.row().name,
    sql: () => this.sql,
  });
  readonly idempotency: IdempotencySql;
  readonly usage: UsageCounters;
  readonly arms: ArmCounters;
  readonly spawns: SpawnDeliveryState;
  readonly activity = new BackendActivity((id) => this.listings.listing(id));
  readonly listings = new Listings(
    { live: () => (this.db.ready ? this.backends.live() : []), get: (id) => this.backends.get(id) },
    (...listed) => this.activity.listed(...listed),
  );
  /** Has those notified whom the end of a backend concerns, after the transaction. Only `endBackend` calls it. */
  readonly backendEnded: (backendId: string) => void;
  /** The environments as decisions see them. */
  readonly environmentSnapshots: ConnectSnapshot["environments"] = {
    has: (name) => this.environments.get(name) !== undefined,
    names: () => this.environments.all().map(({ name }) => name),
    get: (name) => this.environments.snapshot(name),
  };
  /** Made once: a closure with a name is the dearest part of a decision. */
  readonly #imageIndex: ImageIndex = {
    digestOfTag: (tag) => {
      const known = this.#kept.digests.get(tag) ?? this.sql.tag(tag)?.digest;
      if (known !== undefined) this.#kept.digests.set(tag, known);
      return known;
    },
    hasDigest: (digest) => this.image(digest)?.artifact_type === null,
    artifactOf: (tagOrDigest) => {
      const digest = tagOrDigest.includes(":") ? tagOrDigest : this.sql.artifactTag(tagOrDigest)?.digest;
      const row = digest === undefined ? undefined : this.image(digest);
      if (!row?.artifact_type) return undefined;
      return { digest: row.digest, mediaType: row.media_type, artifactType: row.artifact_type };
    },
    recentTags: () => this.sql.recentTags(recentTagsForMessages).map(({ tag }) => tag),
  };
  /** What decisions read, kept until something of it is written. */
  #kept: Kept = nothingKept();
  #held: Held | null = null;
  #nextFencingToken: number | null = null;

  constructor(storage: DurableObjectStorage, watchers: StateWatchers = {}) {
    this.db = new Database(storage, serviceMigrations);
    const cached = this.db.watched(() => {
      this.#kept = nothingKept();
      this.#held = null;
    });
    const heldChanged = () => {
      this.#held = null;
    };
    const counted = this.db.watched(heldChanged);
    const events = this.db.watched(() => watchers.eventWritten?.());
    const backends = watchedBackends(this.backends, (id) => this.listings.changed(id));
    const deliveriesChanged = (ids: readonly string[]) => this.deliveries.changed(ids);
    const environmentChanged = (...changed: Parameters<EnvironmentIndex["changed"]>) =>
      this.environments.changed(...changed);
    const written = notifyingWrites(
      writes({
        db: this.db,
        cached,
        counted,
        events,
        environmentChanged,
        heldChanged,
        backends,
        deliveriesChanged,
        drainsChanged: (ids) => this.drains.changed(ids),
      }),
      (parts) => watchers.visibleChanged?.(parts),
    );
    this.sql = { ...reads(this.db), ...written };
    this.deliveries = new RowIndex(
      (ids) => this.sql.pendingDeliveries(ids),
      (a, b) => a.next_attempt_at - b.next_attempt_at,
    );
    for (const index of [this.environments, this.backends, this.deliveries, this.drains]) {
      this.db.onTransaction({ begun: () => index.begun(), rolledBack: () => index.rolledBack() });
    }
    this.idempotency = idempotencySql(this.db);
    this.usage = new UsageCounters(this.db, this.sql, this.environments);
    this.arms = new ArmCounters(this.sql, this.environments);
    this.spawns = new SpawnDeliveryState(this.sql);
    this.backendEnded = (backendId) => watchers.backendEnded?.(backendId);
  }

  /** The service's row, whether or not the service was removed. Throws where it was never set up. */
  row(): ServiceRow {
    const row = this.#row();
    if (!row) throw new Error("the service was never set up");
    return row;
  }

  #row(): ServiceRow | undefined {
    this.#kept.row ??= this.db.ready ? this.sql.service() : undefined;
    return this.#kept.row;
  }

  /** Runs `action` in a transaction on a service that exists. */
  withService<T>(action: (service: ServiceRow) => Result<T>): Result<T> {
    return this.db.ready ? this.db.transaction(() => this.reading(action)) : serviceNotFound;
  }

  /** Runs `action`, which writes nothing, on a service that exists: without a transaction, which costs more than memory does. */
  reading<T>(action: (service: ServiceRow) => Result<T>): Result<T> {
    const service = this.#row();
    return service && service.removed_at === null ? action(service) : serviceNotFound;
  }

  /** Whether an environment was rolled back from a digest. @param environment its number */
  isRejected(environment: number, digest: string): boolean {
    const rejected =
      this.#kept.rejected.get(environment) ??
      new Set(this.sql.rejectedDigests(environment).map((row) => row.digest));
    this.#kept.rejected.set(environment, rejected);
    return rejected.has(digest);
  }

  /** Counts what a step of a backend's life amounts to. @param row as it was before the step */
  countStep(row: BackendRow, step: SessionStep): void {
    this.usage.countStep(row, step);
    this.arms.step(row, step, () => specOf(row).birth ?? null);
  }

  /** What is held of the account's quotas, where the service was set up: the same object until that may have changed. */
  held(): Held {
    this.#held ??= this.db.ready ? this.sql.holdings() : { used: nothingHeld, claimed: nothingHeld };
    return this.#held;
  }

  config(): AccountConfig {
    if (!this.#kept.config) {
      const config: AccountConfig = JSON.parse(this.row().config);
      this.#kept.config = config;
    }
    return this.#kept.config;
  }

  setConfig(config: AccountConfig): void {
    this.sql.setConfig(JSON.stringify(config), config.version);
  }

  cluster(name: string): ClusterConfig | undefined {
    return this.config().clusters.find((cluster) => cluster.name === name);
  }

  /**
   * A token greater than every one before it. Blocks are reserved in the decision's own transaction; what a crash
   * leaves of a block is skipped.
   */
  nextFencingToken(): number {
    const { fencing_ceiling: ceiling } = this.row();
    const token = this.#nextFencingToken ?? ceiling + 1;
    if (token > ceiling) this.sql.setFencingCeiling(token + fencingTokenBlock - 1);
    this.#nextFencingToken = token + 1;
    return token;
  }

  /** Tags and digests as decisions see them. */
  imageIndex(): ImageIndex {
    return this.#imageIndex;
  }

  /** The row of a backend that is kept: from memory, but where its spec is too long for that. */
  backend(id: string): BackendRow | undefined {
    const row = this.backends.get(id);
    return row === undefined || hasSpec(row) ? row : this.sql.backend(id);
  }

  #clusters() {
    if (!this.#kept.clusters) {
      const { defaultCluster, clusters } = this.config();
      this.#kept.clusters = {
        accountDefaultCluster: defaultCluster,
        clusters: clusters.map(({ name }) => name),
        drainingClusters: clusters.flatMap(({ name, draining }) => (draining ? [name] : [])),
      };
    }
    return this.#kept.clusters;
  }

  image(digest: string): ImageRow | undefined {
    const known = this.#kept.images.get(digest) ?? this.sql.image(digest);
    if (known) this.#kept.images.set(digest, known);
    return known;
  }

  connectSnapshot(service: ServiceRow): ConnectSnapshot {
    return {
      environments: this.environmentSnapshots,
      serviceDefaultEnvironment: service.default_environment,
      ...this.#clusters(),
      images: this.imageIndex(),
      isRejected: (environment, digest) => {
        const seq = this.environments.get(environment)?.seq;
        return seq !== undefined && this.isRejected(seq, digest);
      },
      holderOf: (environment, key) => {
        const holder = this.backends.holder(environment, key);
        return holder && { id: holder.id, status: holder.status, isHeld: holder.held_at !== null };
      },
    };
  }
}

interface Kept {
  clusters?: Pick<ConnectSnapshot, "accountDefaultCluster" | "clusters" | "drainingClusters">;
  row?: ServiceRow | undefined;
  config?: AccountConfig;
  /** By tag, and by digest: as many as a service has in use at a time. */
  digests: Map<string, string>;
  images: Map<string, ImageRow>;
  /** By environment. */
  rejected: Map<number, ReadonlySet<string>>;
}

function nothingKept(): Kept {
  return { digests: new Map(), images: new Map(), rejected: new Map() };
}

export const serviceNotFound = fail("service_not_found", "service not found");

function hasSpec(row: KeptBackend): row is BackendRow {
  return row.spec !== null;
}

export function specOf(row: Pick<BackendRow, "spec">): BackendSpec {
  return JSON.parse(row.spec);
}

/** The full name of the repository an image is pulled from. */
export function repositoryOf(
  image: { repository: string | null },
  service: Pick<ServiceRow, "account" | "name">,
  registryHost: string,
): string {
  return image.repository ?? `${registryHost}/${service.account}/${service.name}`;
}
