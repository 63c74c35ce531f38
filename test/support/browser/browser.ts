import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { pathOf } from "../programs.ts";

/** Chromium, as the machine has it. A window is a person of their own: with its own cookies and settings. */
export interface TestBrowser extends AsyncDisposable {
  openWindow(options?: WindowOptions): Promise<Window>;
}

export interface WindowOptions {
  /** In CSS pixels; a laptop's where it is left out. */
  size?: { width: number; height: number };
  colorScheme?: "light" | "dark";
  /** Whether scripts run; they do where it is left out. */
  scripts?: boolean;
}

export interface Window {
  page: Page;
  context: BrowserContext;
  /** What the browser has refused to load or to run, and what scripts have thrown. */
  complaints: readonly string[];
}

/** Long before a test is broken off, so that it says what it has waited for. */
const patienceMs = 15_000;

export const laptop = { width: 1280, height: 900 } as const;
export const phone = { width: 390, height: 844 } as const;

export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = pathOf("chromium");
  if (executablePath === null) throw new Error("chromium is not on the PATH");
  // Root has no sandbox; what the tests show to it is their own.
  const browser: Browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  return {
    async openWindow({ size = laptop, colorScheme = "light", scripts = true } = {}) {
      const context = await browser.newContext({
        viewport: size,
        colorScheme,
        javaScriptEnabled: scripts,
        reducedMotion: "reduce",
      });
      const page = await context.newPage();
      page.setDefaultTimeout(patienceMs);
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      return { page, context, complaints };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
