import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { expect } from "vitest";
import { imageEnvironmentsListed, imageTagsListed } from "../../../src/domain/limits.ts";
import { test } from "../support/object-test.ts";
import { caller, digestNumber, value } from "../support/service.ts";

test("an image names so many of its tags and environments, and counts the others", async ({
  pinned: hello,
}) => {
  const more = 5;
  await runInDurableObject(hello.service(), async (_, { storage }) => {
    const columns = storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM pragma_table_info('environments') WHERE name NOT IN ('seq', 'name')",
      )
      .toArray()
      .map(({ name }) => name)
      .join(", ");
    for (let n = 0; n < imageEnvironmentsListed + more; n++) {
      storage.sql.exec(
        `INSERT INTO environments (name, ${columns}) SELECT ?, ${columns} FROM environments WHERE name = 'default'`,
        `e${n}`,
      );
    }
    for (let n = 0; n < imageTagsListed + more; n++) {
      storage.sql.exec("INSERT INTO tags (tag, digest) VALUES (?, ?)", `v${n}`, digestNumber(1));
    }
    await storage.sync();
  });
  await abortAllDurableObjects();
  const image = value(await hello.service().getImage(digestNumber(1), caller));
  expect(image.tags).toHaveLength(imageTagsListed);
  expect(image.tags[0]).toBe("latest");
  // With those that were there before.
  expect(image.tags_total).toBe(imageTagsListed + more + 1);
  expect(image.environments).toHaveLength(imageEnvironmentsListed);
  expect(image.environments_total).toBe(imageEnvironmentsListed + more + 1);
  const { items } = value(await hello.service().listImages({ limit: 9 }, caller));
  expect(items.map(({ tags, tags_total }) => [tags.length, tags_total])).toEqual([
    [imageTagsListed, imageTagsListed + more + 1],
  ]);
  const narrowed = value(await hello.service().getImage(digestNumber(1), caller, ["e1", "e2"]));
  expect([narrowed.environments, narrowed.environments_total]).toEqual([["e1", "e2"], 2]);
});
