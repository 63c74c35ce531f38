import type { Page } from "./page.ts";
import { servicesPage } from "./services.tsx";

/** Every page that needs somebody to be logged in. */
export const pages: readonly Page[] = [servicesPage];
