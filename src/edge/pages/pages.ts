import { cliLoginPage } from "./cli-login.tsx";
import { environmentPage } from "./environment.tsx";
import type { Page } from "./page.ts";
import { servicePage } from "./service.tsx";
import { servicesPage } from "./services.tsx";

/** Every page that needs somebody to be logged in. */
export const pages: readonly Page[] = [servicesPage, servicePage, environmentPage, cliLoginPage];
