import { backendStreams } from "./backend/streams.tsx";
import { backendPage } from "./backend.tsx";
import { cliLoginPage } from "./cli-login.tsx";
import { environmentPage } from "./environment.tsx";
import type { Page, PageStream } from "./page.ts";
import { servicePage } from "./service.tsx";
import { servicesPage } from "./services.tsx";

/** Every page that needs somebody to be logged in, and what is streamed to them. */
export const pages: readonly (Page | PageStream)[] = [
  servicesPage,
  servicePage,
  environmentPage,
  backendPage,
  ...backendStreams,
  cliLoginPage,
];
