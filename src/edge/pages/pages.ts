import { backendStreams } from "./backend/streams.tsx";
import { backendPage } from "./backend.tsx";
import { backendsPage } from "./backends.tsx";
import { cliLoginPage } from "./cli-login.tsx";
import { clusterPage } from "./cluster.tsx";
import { clustersPage } from "./clusters.tsx";
import { environmentPage } from "./environment.tsx";
import { eventsPage } from "./events.tsx";
import { imagePage } from "./image.tsx";
import { imagesPage } from "./images.tsx";
import type { Page, PageStream } from "./page.ts";
import { servicePage } from "./service.tsx";
import { servicesPage } from "./services.tsx";
import { settingsPage } from "./settings.tsx";

/** Every page that needs somebody to be logged in, and what is streamed to them. */
export const pages: readonly (Page | PageStream)[] = [
  servicesPage,
  servicePage,
  environmentPage,
  imagesPage,
  imagePage,
  backendsPage,
  backendPage,
  ...backendStreams,
  clustersPage,
  clusterPage,
  eventsPage,
  settingsPage,
  cliLoginPage,
];
