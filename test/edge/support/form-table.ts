import { holdKey, pathIn, spareDigest, type World } from "./world.ts";

/** What a form of a page does: what a route of the API does too, under the same promises. */
export interface FormRow {
  /** The route, by its name in the table of routes; null where the API has none for it. */
  does: string | null;
  /** Names in its page's path that are not those of the `World`. */
  at?: Readonly<Record<string, string>>;
  /** The fields with which it succeeds, but for those of the frame. */
  fields?: Record<string, string> | ((world: World) => Promise<Record<string, string>>);
  /** The field with the revision that is to be replaced: on a form of a conditional route. */
  revision?: string;
}

const accounts = "/v3/accounts/:account";
const idOf = (name: string) => async (world: World) => ({ id: await pathIn(world, name) });

/** By the page's path and the value of the form's button. */
export const formTable: Readonly<Record<string, FormRow>> = {
  "/service/:account/:service/images/:digest delete": {
    does: `DELETE ${accounts}/services/:service/images/:digest`,
    at: { digest: spareDigest },
  },
  "/service/:account/:service/environment/:environment pin": {
    does: `PUT ${accounts}/services/:service/environments/:environment/pin`,
    fields: { image: "v1", note: "", revision: "1" },
    revision: "revision",
  },
  "/backend/:id terminate": { does: "POST /v2/backend/:id/terminate" },
  "/backend/:id terminate-hard": { does: "POST /backend/:id/terminate" },
  "/backend/:id release": {
    does: `POST ${accounts}/backends/:id/release`,
    fields: async (world) => {
      await holdKey(world);
      return { note: "its machine was switched off" };
    },
  },
  "/service/:account/:service/backends terminate-all": {
    does: "POST /service/:account/:service/terminate-backends",
    fields: { how: "hard", environment: "" },
  },
  "/settings create-token": {
    does: `POST ${accounts}/tokens`,
    fields: { name: "made", role: "read", "right-approve": "yes" },
  },
  "/settings revoke-token": { does: `DELETE ${accounts}/tokens/:token_id`, fields: idOf(":token_id") },
  "/settings end-session": { does: `DELETE ${accounts}/sessions/:session_id`, fields: idOf(":session_id") },
  "/cli-login/:token confirm": { does: null },
  "/clusters register": {
    does: `POST ${accounts}/clusters`,
    fields: { name: "made", webhook_url: "https://cluster.test/", backend_url_template: "" },
  },
  "/clusters/:cluster ping": { does: `POST ${accounts}/clusters/:cluster/test` },
  "/clusters/:cluster redeliver": {
    does: `POST ${accounts}/clusters/:cluster/deliveries/:delivery/redeliver`,
    fields: async (world) => ({ delivery: await pathIn(world, ":delivery") }),
  },
  "/clusters/:cluster make-default": {
    does: `PATCH ${accounts}/clusters/:cluster`,
    at: { cluster: "spare" },
  },
  "/clusters/:cluster rotate": { does: `POST ${accounts}/clusters/:cluster/rotate-secret` },
  "/clusters/:cluster delete": {
    does: `DELETE ${accounts}/clusters/:cluster`,
    at: { cluster: "spare" },
  },
};
