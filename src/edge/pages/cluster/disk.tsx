import { isBelowFloor, usedPercent } from "../../../domain/disk/disk-space.ts";
import { diskFloorPercent, imageGcHighPercent } from "../../../domain/limits.ts";
import type { MeasuredDisk, ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { sizeText } from "../elements/amount-text.ts";
import { Badge } from "../elements/badges/badge.tsx";

const spaceOf = ({ free_bytes, total_bytes }: MeasuredDisk) => ({
  freeBytes: free_bytes,
  totalBytes: total_bytes,
});

/** The room on the disk of an agent's machine, and a badge where it is scarce, by the marks that agents have by default. */
export function Disk({ disk }: { disk: MeasuredDisk }) {
  const space = spaceOf(disk);
  return (
    <>
      {sizeText(space.freeBytes)} of {sizeText(space.totalBytes)} free
      {isBelowFloor(space, diskFloorPercent) ? (
        <>
          {" "}
          <Badge kind="bad">full</Badge>
        </>
      ) : usedPercent(space) > imageGcHighPercent ? (
        <>
          {" "}
          <Badge kind="busy">nearly full</Badge>
        </>
      ) : null}
    </>
  );
}

/** The disk of that agent which has the smallest share of it free; null where none was measured. */
export function fullestDisk({ agents }: Pick<ObservedCluster, "agents">): MeasuredDisk | null {
  const used = (disk: MeasuredDisk) => usedPercent(spaceOf(disk));
  return agents
    .flatMap(({ disk }) => disk ?? [])
    .reduce<MeasuredDisk | null>(
      (fullest, disk) => (fullest === null || used(disk) > used(fullest) ? disk : fullest),
      null,
    );
}
