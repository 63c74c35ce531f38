import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { environment as environmentAnswer } from "../../../src/protocol/v3/services.ts";
import { call, createService, type TestAccount } from "./api.ts";

export const digestOf = { v1: `sha256:${"1".repeat(64)}`, v2: `sha256:${"2".repeat(64)}` } as const;

/** A service with the images `v1` and `v2`, and an environment `prod` that is pinned to `v1`. */
export async function pinnedService(account: TestAccount, name = "hello") {
  const api = await createService(account, name);
  const token = account.admin;
  const record = (tag: string, digest: string) =>
    call(z.looseObject({}), `${api}/images`, { token, json: { tag, digest } });
  for (const [tag, digest] of Object.entries(digestOf)) await record(tag, digest);
  const prod = `${api}/environments/prod`;
  await call(environmentAnswer, `${api}/environments`, { token, json: { name: "prod", image: "v1" } });
  const path = `/service/${account.name}/${name}`;
  return {
    api,
    path,
    prodPath: `${path}/environment/prod`,
    record,
    environment: (image: string, of: string) =>
      call(environmentAnswer, `${api}/environments`, { token, json: { name: of, image } }),
    pin: (image: string, note?: string) =>
      call(z.looseObject({}), `${prod}/pin`, {
        method: "PUT",
        token,
        json: { image, ...(note === undefined ? {} : { note }) },
      }),
    pinned: async () => {
      const { image, revision } = await call(environmentAnswer, prod, { token });
      return { image, revision };
    },
    connect: async (environment = "prod", key?: string) =>
      call(connectAnswer, `/v2/service/${account.name}/${name}/${environment}/connect`, {
        token,
        json: key === undefined ? {} : { key },
      }),
  };
}
