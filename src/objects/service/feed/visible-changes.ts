import { type ServicePart, serviceParts } from "../../../protocol/service-nudge.ts";
import type { Writes } from "../sql/statements.ts";

const all: readonly ServicePart[] = serviceParts;
const environments: readonly ServicePart[] = ["environments"];
// What an environment resolves to depends on images and on the account's clusters.
const images: readonly ServicePart[] = ["images", "environments"];
const backends: readonly ServicePart[] = ["backends"];
const none: readonly ServicePart[] = [];

/**
 * The same statements, with `changed` called after each that changes what a reader of the service sees: with the parts
 * that it changes. Every write has its line; one that is forgotten does not compile.
 */
export function notifyingWrites(writes: Writes, changed: (parts: readonly ServicePart[]) => void): Writes {
  function changes<Params extends unknown[], Written>(
    parts: readonly ServicePart[],
    write: (...params: Params) => Written,
  ): (...params: Params) => Written {
    if (parts.length === 0) return write;
    return (...params) => {
      const written = write(...params);
      changed(parts);
      return written;
    };
  }
  return {
    // Set up and not visible before its first environment is inserted.
    insertService: changes(none, writes.insertService),
    reviveService: changes(all, writes.reviveService),
    removeService: changes(all, writes.removeService),
    setEmptied: changes(none, writes.setEmptied),
    setDefaultEnvironment: changes(environments, writes.setDefaultEnvironment),
    setFencingCeiling: changes(none, writes.setFencingCeiling),
    setAnnounced: changes(none, writes.setAnnounced),
    setConfig: changes(environments, writes.setConfig),

    insertEnvironment: changes(environments, writes.insertEnvironment),
    updateEnvironment: changes(environments, writes.updateEnvironment),
    setPin: changes(environments, writes.setPin),
    deleteEnvironment: changes(environments, writes.deleteEnvironment),
    // Each comes with the pin that it records.
    insertRevision: changes(none, writes.insertRevision),
    rememberRevisions: changes(none, writes.rememberRevisions),

    putArm: changes(none, writes.putArm),
    putCheck: changes(images, writes.putCheck),
    deleteChecksOf: changes(none, writes.deleteChecksOf),
    putRejection: changes(environments, writes.putRejection),
    deleteRejection: changes(environments, writes.deleteRejection),
    forgetRejections: changes(none, writes.forgetRejections),
    putCandidate: changes(environments, writes.putCandidate),
    setStopped: changes(environments, writes.setStopped),
    forgetDeploys: changes(none, writes.forgetDeploys),
    insertChange: changes(environments, writes.insertChange),
    setApprovals: changes(environments, writes.setApprovals),
    endChange: changes(environments, writes.endChange),
    forgetChanges: changes(none, writes.forgetChanges),

    putImage: changes(images, writes.putImage),
    deleteImage: changes(images, writes.deleteImage),
    setTag: changes(images, writes.setTag),
    deleteTag: changes(images, writes.deleteTag),
    setArtifactTag: changes(images, writes.setArtifactTag),
    deleteArtifactTag: changes(images, writes.deleteArtifactTag),
    setTagsApart: changes(images, writes.setTagsApart),
    insertPush: changes(none, writes.insertPush),
    noteNotice: changes(none, writes.noteNotice),

    insertBackend: changes(backends, writes.insertBackend),
    acknowledge: changes(none, writes.acknowledge),
    acknowledgeWithUrl: changes(none, writes.acknowledgeWithUrl),
    acknowledgeWithStatus: changes(backends, writes.acknowledgeWithStatus),
    retrySpawn: changes(none, writes.retrySpawn),
    setHeld: changes(backends, writes.setHeld),
    noteRelease: changes(none, writes.noteRelease),
    setAgent: changes(none, writes.setAgent),
    setDeadline: changes(none, writes.setDeadline),
    endBackend: changes(backends, writes.endBackend),
    deleteBackend: changes(backends, writes.deleteBackend),
    noteSpawn: changes(none, writes.noteSpawn),

    insertDelivery: changes(none, writes.insertDelivery),
    retryDelivery: changes(none, writes.retryDelivery),
    deleteDeliveries: changes(none, writes.deleteDeliveries),

    insertMassTermination: changes(backends, writes.insertMassTermination),
    extendMassTermination: changes(backends, writes.extendMassTermination),
    // Each comes with the ends that it follows from.
    closeMassTermination: changes(none, writes.closeMassTermination),
    finishMassTermination: changes(none, writes.finishMassTermination),

    insertDrain: changes(backends, writes.insertDrain),
    // Each comes with the ends that it follows from.
    paceDrain: changes(none, writes.paceDrain),
    countDrained: changes(none, writes.countDrained),
    endDrain: changes(backends, writes.endDrain),
    deleteDrains: changes(none, writes.deleteDrains),

    setClaimed: changes(none, writes.setClaimed),
    queueEvent: changes(none, writes.queueEvent),
    dropQueuedEvents: changes(none, writes.dropQueuedEvents),
    putUsage: changes(none, writes.putUsage),
  };
}
