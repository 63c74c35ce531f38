import axe from "axe-core";
import type { Locator, Page } from "playwright-core";
import { z } from "zod";

const findings = z.array(
  z
    .object({ id: z.string(), nodes: z.array(z.object({ html: z.string() })) })
    .transform(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
);

/** What axe-core finds wrong with a page, by all its rules (WCAG 2.2 A and AA, and its own best practices). */
export async function axeFindings(page: Page): Promise<string[]> {
  // As an expression of the debugger it is not held to the page's policy on scripts.
  await page.evaluate(axe.source);
  return findings.parse(
    await page.evaluate(
      'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
    ),
  );
}

/** How far a page reaches beyond the sides of its window, in CSS pixels: people would have to scroll sideways. */
export async function overhang(page: Page): Promise<number> {
  const { scrollWidth, clientWidth } = z
    .object({ scrollWidth: z.number(), clientWidth: z.number() })
    .parse(
      await page.evaluate(
        "(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)",
      ),
    );
  return scrollWidth - clientWidth;
}

const focused = z.object({
  isTarget: z.boolean(),
  isAtStart: z.boolean(),
  outline: z.string(),
  html: z.string(),
});

/**
 * Presses Tab until `target` has the focus. Fails where it never gets it, and where the focus cannot be seen on the way.
 */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  const passed: string[] = [];
  for (let presses = 0; presses < 200; presses++) {
    await page.keyboard.press("Tab");
    const { isTarget, isAtStart, outline, html } = focused.parse(
      await target.evaluate((element) => {
        const { activeElement, body, defaultView } = element.ownerDocument;
        const style = activeElement && defaultView ? defaultView.getComputedStyle(activeElement) : null;
        return {
          isTarget: activeElement === element,
          isAtStart: activeElement === body,
          outline: style ? `${style.outlineStyle} ${style.outlineWidth}` : "",
          html: activeElement?.outerHTML.slice(0, 120) ?? "",
        };
      }),
    );
    if (!isAtStart && /^none| 0px$/.test(outline)) throw new Error(`the focus is not seen on ${html}`);
    if (isTarget) return;
    passed.push(html);
  }
  throw new Error(`Tab never comes to it, only to ${passed.join(" ")}`);
}
