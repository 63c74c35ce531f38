import type Docker from "dockerode";
import type { PresentImage } from "../../../domain/disk/image-collection.ts";
import type { RuntimeImages } from "../runtime.ts";
import { callEngine, refusalOf } from "./engine.ts";
import { engineReference } from "./pull.ts";

/**
 * The images of an engine, by the reference that they were pulled by. The engine is not the agent's alone: it has others'
 * images too, and removes none that a container of anybody's has been made from.
 * @param isLocal whether the engine is this machine's
 */
export function engineImages(docker: Docker, isLocal: boolean): RuntimeImages {
  async function find(name: string): Promise<PresentImage[]> {
    try {
      const { Size } = await callEngine(() => docker.getImage(name).inspect());
      return [{ name, sizeBytes: Size }];
    } catch (error) {
      if (refusalOf(error)?.status === 404) return [];
      throw error;
    }
  }

  return {
    nameOf: engineReference,

    async folder() {
      if (!isLocal) return null;
      const info: { DockerRootDir?: unknown } = await callEngine(() => docker.info());
      return typeof info.DockerRootDir === "string" ? info.DockerRootDir : null;
    },

    async list(names) {
      const present: PresentImage[] = [];
      for (const name of names) present.push(...(await find(name)));
      return present;
    },

    async remove(name) {
      try {
        // Not by force: the engine refuses where something uses it. Where it has other names too, only this one goes.
        await callEngine(() => docker.getImage(name).remove({ force: false }));
        return true;
      } catch (error) {
        const status = refusalOf(error)?.status;
        if (status === 404) return true;
        if (status === 409) return false;
        throw error;
      }
    },

    // What pulls of its own have left, the engine clears away itself; all else may be somebody's.
    clear: async () => undefined,
  };
}
