import type { Database } from "../../database.ts";
import type { BackendsMemory } from "../live-backends.ts";
import { type BackendsReads, type BackendsWrites, backendsReads, backendsWrites } from "./backends.sql.ts";
import { type ChangesReads, type ChangesWrites, changesReads, changesWrites } from "./changes.sql.ts";
import {
  type DeliveriesReads,
  type DeliveriesWrites,
  deliveriesReads,
  deliveriesWrites,
} from "./deliveries.sql.ts";
import { type DeploysReads, type DeploysWrites, deploysReads, deploysWrites } from "./deploys.sql.ts";
import { type DrainsReads, type DrainsWrites, drainsReads, drainsWrites } from "./drains.sql.ts";
import {
  type EventOutboxReads,
  type EventOutboxWrites,
  eventOutboxReads,
  eventOutboxWrites,
} from "./event-outbox.sql.ts";
import { type HoldingsReads, type HoldingsWrites, holdingsReads, holdingsWrites } from "./holdings.sql.ts";
import { type ImagesReads, type ImagesWrites, imagesReads, imagesWrites } from "./images.sql.ts";
import { type ListsReads, listsReads } from "./lists.sql.ts";
import {
  type MassTerminationsReads,
  type MassTerminationsWrites,
  massTerminationsReads,
  massTerminationsWrites,
} from "./mass-terminations.sql.ts";
import { type ProtectionsReads, protectionsReads } from "./protections.sql.ts";
import {
  type RejectionsReads,
  type RejectionsWrites,
  rejectionsReads,
  rejectionsWrites,
} from "./rejections.sql.ts";
import {
  type RevisionsReads,
  type RevisionsWrites,
  revisionsReads,
  revisionsWrites,
} from "./revisions.sql.ts";
import {
  type EnvironmentRow,
  type ServiceReads,
  type ServiceWrites,
  serviceReads,
  serviceWrites,
} from "./service.sql.ts";
import { type UsageReads, type UsageWrites, usageReads, usageWrites } from "./usage.sql.ts";

/** Every statement that reads a service's storage. They are given nothing that could write. */
export type Reads = ServiceReads &
  RevisionsReads &
  ProtectionsReads &
  DeploysReads &
  RejectionsReads &
  ChangesReads &
  ImagesReads &
  ListsReads &
  BackendsReads &
  DeliveriesReads &
  EventOutboxReads &
  HoldingsReads &
  MassTerminationsReads &
  DrainsReads &
  UsageReads;

/** Every statement that writes it. */
export type Writes = ServiceWrites &
  RevisionsWrites &
  DeploysWrites &
  RejectionsWrites &
  ChangesWrites &
  ImagesWrites &
  BackendsWrites &
  DeliveriesWrites &
  EventOutboxWrites &
  HoldingsWrites &
  MassTerminationsWrites &
  DrainsWrites &
  UsageWrites;

export type Statements = Reads & Writes;

type Writer = Pick<Database, "run">;

export function reads(db: Pick<Database, "all" | "first">): Reads {
  return {
    ...serviceReads(db),
    ...revisionsReads(db),
    ...protectionsReads(db),
    ...deploysReads(db),
    ...rejectionsReads(db),
    ...changesReads(db),
    ...imagesReads(db),
    ...listsReads(db),
    ...backendsReads(db),
    ...deliveriesReads(db),
    ...eventOutboxReads(db),
    ...holdingsReads(db),
    ...massTerminationsReads(db),
    ...drainsReads(db),
    ...usageReads(db),
  };
}

interface Writers {
  /** Writes what decisions read from memory. */
  cached: Writer;
  /** Writes nothing of that, but what is held of the account's quotas. */
  counted: Writer;
  /** Writes the account's events. */
  events: Writer;
  /** Writes all else. */
  db: Writer & Pick<Database, "all">;
  /** Called with the environment that is written, and its columns where they are known; null: with all. */
  environmentChanged(name: string | null, columns?: Partial<EnvironmentRow>): void;
  /** Called where what is held may change with a row that is written. */
  heldChanged(): void;
  /** Has the rows of backends too. */
  backends: BackendsMemory;
  /** Called with the deliveries that are written. */
  deliveriesChanged(ids: readonly string[]): void;
  /** Called with the drains that are written. */
  drainsChanged(ids: readonly string[]): void;
}

export function writes(writers: Writers): Writes {
  const { db, cached, counted, events, environmentChanged, heldChanged, backends } = writers;
  return {
    ...serviceWrites(cached, environmentChanged),
    ...revisionsWrites(db, environmentChanged, heldChanged),
    ...deploysWrites(db, environmentChanged),
    ...rejectionsWrites(cached),
    ...changesWrites(db),
    ...imagesWrites(cached),
    ...backendsWrites(db, backends, environmentChanged),
    ...deliveriesWrites(db, writers.deliveriesChanged),
    ...eventOutboxWrites(events),
    ...holdingsWrites(counted),
    ...massTerminationsWrites(db),
    ...drainsWrites(db, writers.drainsChanged),
    ...usageWrites(db),
  };
}
