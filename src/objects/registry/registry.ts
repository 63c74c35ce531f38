import { DurableObject } from "cloudflare:workers";
import { earliest } from "../../domain/deliveries/retry.ts";
import { type Quota, quotaLimit } from "../../domain/quotas.ts";
import { nextCollectionAt } from "../../domain/registry/collection.ts";
import type { RepositoryName } from "../../domain/registry/repository.ts";
import type { PartNumbers, UploadState } from "../../domain/registry/upload.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import type { Conditions } from "../../protocol/oci/preconditions.ts";
import { Alarm } from "../alarm.ts";
import { chooseBlobStore } from "../blobs/choose-blob-store.ts";
import type { Env } from "../env.ts";
import { objectFailures } from "../failures/failure-log.ts";
import { Serially } from "../serially.ts";
import { serviceStub } from "../stubs.ts";
import * as blobs from "./blobs.ts";
import {
  type CollectionPorts,
  collectBytes,
  collectManifests,
  collectRecords,
  removeGoneRepository,
} from "./collection.ts";
import { checkConditions } from "./conditions.ts";
import type {
  BlobPlace,
  IncomingChunk,
  ManifestPut,
  RegistryRpc,
  StoredManifest,
  Upload,
  WholeBlob,
} from "./contract.ts";
import { imageSizes } from "./image-sizes.ts";
import * as manifests from "./manifests.ts";
import { admitPush, announceTag, releaseDigest, releaseTag, type ServiceImages } from "./service-images.ts";
import { RegistryState } from "./state.ts";
import { untaggedQuota } from "./untagged.ts";

/** How soon a tag that could not be announced to its service is announced again. */
const announceRetryMs = 10_000;
const collectionRetryMs = 60_000;
const announcedAtOnce = 100;

/**
 * The images of one account. Bytes of manifests are kept here, so that a manifest, its tags and what it refers to
 * change in one transaction; bytes of blobs go past it, between the client and the blob store.
 */
export class Registry extends DurableObject<Env> implements RegistryRpc {
  readonly #state = new RegistryState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx);
  readonly #store = chooseBlobStore(this.env);
  readonly #failures = objectFailures(this.ctx, "Registry");
  /** The service's view of a repository must follow this one's: one change that both see at a time. */
  readonly #changes = new Serially();

  async blob({ service }: RepositoryName, digest: string): Promise<BlobPlace | null> {
    return this.#state.db.ready ? blobs.findBlob(this.#state, service, digest, Date.now()) : null;
  }

  async mountBlob(repository: RepositoryName, from: RepositoryName, digest: string): Promise<boolean> {
    if (!this.#state.db.ready || repository.account !== from.account) return false;
    return this.#write(repository, (now) => {
      if (!this.#state.sql.link(from.service, digest)) return false;
      blobs.linkBlob(this.#state, repository.service, digest, now);
      return true;
    });
  }

  async deleteBlob(repository: RepositoryName, digest: string, conditions?: Conditions) {
    if (!this.#state.db.ready) return blobs.blobUnknown(digest);
    return this.#write(repository, (now) =>
      blobs.deleteBlob(this.#state, repository.service, digest, conditions, now),
    );
  }

  async beginUpload(repository: RepositoryName, whole: WholeBlob | null, credentialId: string) {
    const id = crypto.randomUUID();
    const key = `${repository.account}/${crypto.randomUUID()}`;
    return this.#write(repository, (now): OciResult<Upload> => {
      const open = blobs.checkOpenUploads(this.#state);
      if (!open.ok) return open;
      const checked = blobs.checkIncoming(this.#state, whole ?? { digest: null, bytes: null }, 1);
      if (!checked.ok) return checked;
      const upload = blobs.beginUpload(this.#state, repository.service, id, key, credentialId, now);
      if (!whole) return { ok: true, value: upload };
      const value = blobs.forChunk(this.#state, repository.service, upload, whole, crypto.randomUUID(), now);
      if (!value) throw new Error("an upload that has just begun has no numbers for parts");
      return { ok: true, value };
    });
  }

  async upload({ service }: RepositoryName, id: string): Promise<Upload | null> {
    return this.#state.db.ready ? blobs.findUpload(this.#state, service, id) : null;
  }

  async beginChunk(
    repository: RepositoryName,
    id: string,
    chunk: IncomingChunk,
  ): Promise<OciResult<Upload | null>> {
    if (!this.#state.db.ready) return { ok: true, value: null };
    return this.#write(repository, (now) => {
      const upload = blobs.findUpload(this.#state, repository.service, id);
      const checked = blobs.checkIncoming(this.#state, chunk, 0);
      if (!checked.ok || !upload) return checked;
      const value = blobs.forChunk(this.#state, repository.service, upload, chunk, crypto.randomUUID(), now);
      return { ok: true, value };
    });
  }

  async beginMultipart(
    repository: RepositoryName,
    upload: Upload,
    multipartId: string,
  ): Promise<string | null> {
    return this.#write(repository, (now) =>
      blobs.beginMultipart(this.#state, repository.service, upload, multipartId, now),
    );
  }

  async moreParts(repository: RepositoryName, upload: Upload): Promise<PartNumbers | null> {
    return this.#write(repository, (now) => blobs.moreParts(this.#state, repository.service, upload, now));
  }

  async advanceUpload(repository: RepositoryName, upload: Upload, next: UploadState) {
    return this.#write(repository, (now) =>
      blobs.advanceUpload(this.#state, repository.service, upload, next, now),
    );
  }

  async finishUpload(
    repository: RepositoryName,
    upload: Upload,
    blob: { digest: string; key: string; size: number },
  ): Promise<OciResult<null>> {
    return this.#write(repository, (now) =>
      blobs.finishUpload(this.#state, repository.service, upload, blob, now),
    );
  }

  async cancelUpload(repository: RepositoryName, id: string, leftOver: string[]): Promise<boolean> {
    if (!this.#state.db.ready) return false;
    return this.#write(repository, (now) =>
      blobs.cancelUpload(this.#state, repository.service, id, leftOver, now),
    );
  }

  async manifest({ service }: RepositoryName, reference: string): Promise<StoredManifest | null> {
    return this.#state.db.ready ? manifests.findManifest(this.#state, service, reference) : null;
  }

  async imageSizes({ service }: RepositoryName, digests: string[]) {
    return this.#state.db.ready ? imageSizes(this.#state, service, digests) : digests.map(() => null);
  }

  async putManifest(repository: RepositoryName, put: ManifestPut): Promise<OciResult<null>> {
    return this.#changes.run(repository.service, async () => {
      const admitted = await this.#admit(repository, put);
      if (!admitted.ok) return admitted;
      const stored = this.#write(repository, (now) => {
        this.#state.sql.setHost(put.registryHost);
        return manifests.storeManifest(this.#state, repository.service, put, now);
      });
      if (!stored.ok) return stored;
      for (const tag of put.tags) {
        const outcome = await announceTag(this.#state, this.#service(repository), repository.service, tag);
        if (outcome === "gone") return this.#gone(repository);
      }
      return stored;
    });
  }

  async deleteManifest(repository: RepositoryName, digest: string, conditions?: Conditions) {
    return this.#changes.run(repository.service, async (): Promise<OciResult<null>> => {
      const { sql, db } = this.#state;
      if (!db.ready || !sql.manifest(repository.service, digest)) return manifests.manifestUnknown(digest);
      const parent = sql.referringTo(repository.service, digest);
      if (parent !== undefined) {
        return ociFail("DENIED", `manifest \`${digest}\` is listed by \`${parent}\`: delete that first`);
      }
      const met = checkConditions(digest, digest, conditions);
      if (!met.ok) return met;
      const released = await releaseDigest(this.#service(repository), digest);
      if (!released.ok) return released;
      if (released.value === "gone") return this.#gone(repository);
      return this.#write(repository, (now) => {
        manifests.removeManifest(this.#state, repository.service, digest, now);
        return { ok: true, value: null };
      });
    });
  }

  async deleteTag(repository: RepositoryName, tag: string, conditions?: Conditions) {
    return this.#changes.run(repository.service, async (): Promise<OciResult<null>> => {
      const { sql, db } = this.#state;
      const row = db.ready ? sql.tag(repository.service, tag) : undefined;
      if (!row) return manifests.manifestUnknown(tag);
      const met = checkConditions(tag, row.digest, conditions);
      if (!met.ok) return met;
      const released = await releaseTag(this.#service(repository), tag, row.digest);
      if (!released.ok) return released;
      if (released.value === "gone") return this.#gone(repository);
      return this.#write(repository, (now) => {
        manifests.removeTag(this.#state, repository.service, tag, now);
        return { ok: true, value: null };
      });
    });
  }

  async tags({ service }: RepositoryName, page: { last: string; limit: number }) {
    return this.#state.db.ready ? manifests.listTags(this.#state, service, page) : { tags: [], more: false };
  }

  async referrers(
    { service }: RepositoryName,
    digest: string,
    page: { artifactType: string | null; last: string },
  ) {
    return this.#state.db.ready
      ? manifests.listReferrers(this.#state, service, digest, page)
      : { referrers: [], next: null };
  }

  async untaggedBytes(): Promise<Quota> {
    return this.#state.db.ready
      ? untaggedQuota(this.#state)
      : { used: 0, limit: quotaLimit("untagged_bytes", null) };
  }

  async setUntaggedLimit(account: string, limit: number | null): Promise<void> {
    this.#state.write(account, () => this.#state.sql.setUntaggedMax(limit));
  }

  async removeRepository(repository: RepositoryName): Promise<void> {
    await this.#changes.run(repository.service, async () => {
      if (this.#state.db.ready) this.#gone(repository);
    });
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    const now = Date.now();
    const ports: CollectionPorts = {
      state: this.#state,
      store: this.#store,
      service: (service) => this.#service({ account: this.#account(), service }),
      serially: (repository, action) => this.#changes.run(repository, action),
    };
    try {
      await this.#announceLeftOver();
      collectRecords(this.#state, now);
      await collectManifests(ports, now);
      await collectBytes(ports, now);
      this.#arm();
      this.#failures.succeeded("announce and collect");
    } catch (error) {
      // The platform gives an alarm up after a few failures: this one comes back for as long as there is work.
      this.#failures.failed("announce and collect", error);
      this.#alarm.noLaterThan(now + collectionRetryMs);
    }
  }

  /** Whether a manifest and its tags may be stored: asked before, since what stands here is never refused there. */
  async #admit(repository: RepositoryName, put: ManifestPut): Promise<OciResult<null>> {
    const checked = this.#state.write(repository.account, () =>
      manifests.checkManifest(this.#state, repository.service, put),
    );
    if (!checked.ok || put.tags.length === 0) return checked;
    const { digest, tags, facts } = put;
    const artifactType = manifests.artifactIn(this.#state, repository.service, facts);
    const admitted = await admitPush(this.#service(repository), { digest, tags, artifactType });
    return admitted === "gone" ? this.#gone(repository) : admitted;
  }

  /** Announces to services the tags that a crash, or their absence, kept from them. */
  async #announceLeftOver(): Promise<void> {
    for (const { repository, tag } of this.#state.sql.unannouncedTags(announcedAtOnce)) {
      const name = { account: this.#account(), service: repository };
      await this.#changes.run(repository, async () => {
        const outcome = await announceTag(this.#state, this.#service(name), repository, tag);
        if (outcome === "gone") this.#gone(name);
      });
    }
  }

  #account(): string {
    const registry = this.#state.sql.registry();
    if (!registry) throw new Error("the registry was never set up");
    return registry.account;
  }

  #service({ account, service }: RepositoryName): ServiceImages {
    return serviceStub(this.env, account, service);
  }

  #gone(repository: RepositoryName): OciResult<null> {
    removeGoneRepository(this.#state, repository.service, Date.now());
    this.#arm();
    const name = `${repository.account}/${repository.service}`;
    return ociFail("NAME_UNKNOWN", `repository \`${name}\` not found`);
  }

  #write<T>({ account }: RepositoryName, action: (now: number) => T): T {
    const now = Date.now();
    const result = this.#state.write(account, () => action(now));
    this.#arm();
    return result;
  }

  /** Sees to it that the object wakes when something of it is due. */
  #arm(): void {
    const { sql } = this.#state;
    const isUnannounced = sql.unannouncedTags(1).length > 0;
    const announceAt = isUnannounced ? Date.now() + announceRetryMs : null;
    const oldest = sql.oldest();
    // Without a store there is nobody to delete bytes.
    const collectable = this.#store ? oldest : { ...oldest, bytes: null };
    this.#alarm.noLaterThan(earliest([announceAt, nextCollectionAt(collectable)]));
  }
}
