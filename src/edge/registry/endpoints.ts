import type { RepositoryAction } from "../../domain/registry/actions.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import type { RegistryHandler } from "./call.ts";
import { listReferrers, listTags } from "./discovery.ts";
import { deleteManifest, getManifest, putManifest } from "./manifests.ts";
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from "./uploads.ts";

interface Operation {
  action: RepositoryAction;
  handle: RegistryHandler;
  /** Goes on with an upload, which may take longer than the registry token is good that it was begun with. */
  outlivesToken?: true;
}

export interface Endpoint {
  /** For tests and readers: `:name` is `<account>/<service>`. */
  path: string;
  /** Captures the name and what comes after it. */
  pattern: RegExp;
  methods: Record<string, Operation>;
}

const pull = (handle: RegistryHandler): Operation => ({ action: "pull", handle });
const push = (handle: RegistryHandler): Operation => ({ action: "push", handle });
const goOn = (handle: RegistryHandler): Operation => ({ action: "push", handle, outlivesToken: true });
const remove = (handle: RegistryHandler): Operation => ({ action: "delete", handle });

/** The endpoints of a repository (OCI Distribution 1.1, "Endpoints"). The first that matches is used. */
export const endpoints: readonly Endpoint[] = [
  {
    path: "/v2/:name/blobs/uploads/",
    pattern: /^\/v2\/(.+)\/blobs\/uploads\/?()$/,
    methods: { POST: push(postUpload) },
  },
  {
    path: "/v2/:name/blobs/uploads/:id",
    pattern: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    methods: {
      GET: goOn(getUpload),
      PATCH: goOn(patchUpload),
      PUT: goOn(putUpload),
      DELETE: goOn(deleteUpload),
    },
  },
  {
    path: "/v2/:name/blobs/:digest",
    pattern: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
    methods: { GET: pull(getBlob), HEAD: pull(getBlob), DELETE: remove(deleteBlob) },
  },
  {
    path: "/v2/:name/manifests/:reference",
    pattern: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    methods: {
      GET: pull(getManifest),
      HEAD: pull(getManifest),
      PUT: push(putManifest),
      DELETE: remove(deleteManifest),
    },
  },
  {
    path: "/v2/:name/tags/list",
    pattern: /^\/v2\/(.+)\/tags\/list()$/,
    methods: { GET: pull(listTags), HEAD: pull(listTags) },
  },
  {
    path: "/v2/:name/referrers/:digest",
    pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
    methods: { GET: pull(listReferrers), HEAD: pull(listReferrers) },
  },
];
