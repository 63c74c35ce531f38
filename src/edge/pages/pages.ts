import { backendPage } from "./backend/backend.tsx";
import { backendsPage } from "./backend/backends.tsx";
import { backendStreams } from "./backend/streams.tsx";
import { clusterPage } from "./cluster/cluster.tsx";
import { clustersPage } from "./cluster/clusters.tsx";
import { environmentPage } from "./environment/environment.tsx";
import { eventsPage } from "./events/events.tsx";
import type { Page } from "./frame/page.ts";
import type { PageStream } from "./frame/page-stream.ts";
import { imagePage } from "./images/image.tsx";
import { imagesPage } from "./images/images.tsx";
import { cliLoginPage } from "./login/cli-login.tsx";
import { servicePage } from "./service/service.tsx";
import { servicesPage } from "./service/services.tsx";
import { settingsPage } from "./settings/settings.tsx";

/** Every page for visitors who are logged in, and what is streamed to them. */
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
