/** Where pages are. The Jamsocket CLI prints those of services and backends. */
export const pathOf = {
  services: () => "/",
  service: (account: string, service: string) => `/service/${account}/${service}`,
  environment: (account: string, service: string, environment: string) =>
    `/service/${account}/${service}/environment/${environment}`,
  images: (account: string, service: string) => `/service/${account}/${service}/images`,
  image: (account: string, service: string, digest: string) =>
    `/service/${account}/${service}/images/${digest}`,
  backends: (account: string, service: string) => `/service/${account}/${service}/backends`,
  backend: (id: string) => `/backend/${id}`,
  backendLog: (id: string) => `/backend/${id}/log.txt`,
  backendLiveLog: (id: string) => `/backend/${id}/live/log`,
  backendLiveUsage: (id: string) => `/backend/${id}/live/usage`,
  clusters: () => "/clusters",
  cluster: (cluster: string) => `/clusters/${cluster}`,
  events: () => "/events",
  settings: () => "/settings",
} as const;
