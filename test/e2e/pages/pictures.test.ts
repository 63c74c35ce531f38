import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { laptop, phone } from "../../support/browser/browser.ts";
import { type LivelyPage, livelyPageNames, liven } from "../../support/browser/lively-demo.ts";
import { usePages } from "../../support/browser/page-tests.ts";

/* Draws pictures of the pages, for people to look at, with `SLIPWAY_PICTURES=1`; otherwise checks that they are there, and not blank. */

const folder = fileURLToPath(new URL("../../pictures", import.meta.url));
const isRequested = process.env.SLIPWAY_PICTURES === "1";
const heightMaxPixels = 2_500;
/** One of a single colour has 0.003; a form in the middle of nothing has 0.04. */
const bytesPerPixelLeast = 0.02;

const screens = [
  { screen: "laptop", size: laptop, colorScheme: "light" },
  { screen: "phone", size: phone, colorScheme: "dark" },
] as const;

function drawing(): void {
  const tests = usePages();
  let pages: LivelyPage[] = [];
  beforeAll(async () => {
    if (tests.whyNot === null) pages = await liven(tests);
    await mkdir(folder, { recursive: true });
  });

  test.each(screens)(
    "every page is drawn as it is on a $screen",
    { timeout: 240_000 },
    async ({ screen, size, colorScheme }) => {
      for (const { name, path, token } of pages) {
        const how = { size, colorScheme };
        const { page, complaints } = await (token === null
          ? tests.openWindow(how)
          : tests.openAs(token, path, how));
        if (token === null) await page.goto(tests.url(path));
        if (name === "backend") await page.getByText(/^[2-9] measurements/).waitFor();
        if (name === "backend-held") await page.getByText("Release", { exact: true }).click();
        const content = await page.locator("html").boundingBox();
        const height = Math.min(Math.ceil(content?.height ?? 0), heightMaxPixels);
        await page.screenshot({
          path: join(folder, `${name}-${screen}.png`),
          fullPage: true,
          clip: { x: 0, y: 0, width: size.width, height },
        });
        expect(name === "not-found" ? [] : complaints).toEqual([]);
      }
    },
  );
}

if (isRequested) describe("drawing", drawing);
else test("drawing", ({ skip }) => skip("pictures are drawn with SLIPWAY_PICTURES=1 only"));

test("there is a picture of every page on a laptop and on a phone, and of no other", async () => {
  const drawn = livelyPageNames.flatMap((name) => screens.map(({ screen }) => `${name}-${screen}.png`));
  expect((await readdir(folder)).sort()).toEqual(drawn.sort());
});

test("every picture is as wide as its screen, has something on it, and is not that of another", async () => {
  const seen = new Set<string>();
  for (const name of livelyPageNames) {
    for (const { screen, size } of screens) {
      const file = `${name}-${screen}.png`;
      const png = await readFile(join(folder, file));
      // After the signature and its own head, the first chunk says how large it is (PNG, "IHDR").
      expect(png.toString("latin1", 1, 4), file).toBe("PNG");
      const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
      expect(width, file).toBe(size.width);
      expect(height, file).toBeLessThanOrEqual(heightMaxPixels);
      expect(png.length / (width * height), file).toBeGreaterThan(bytesPerPixelLeast);
      seen.add(png.toString("base64"));
    }
  }
  expect(seen.size).toBe(livelyPageNames.length * screens.length);
});
