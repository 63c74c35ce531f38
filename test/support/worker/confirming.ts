import { bearerCredential } from "../../../src/edge/admission/credential.ts";
import { identify } from "../../../src/edge/admission/identify.ts";
import { TokenCache } from "../../../src/edge/admission/token-cache.ts";
import { confirmCliLogin } from "../../../src/edge/credentials/cli-login.ts";
import production from "../../../src/edge/worker.ts";
import type { Env } from "../../../src/objects/env.ts";

export {
  Account,
  Backends,
  Cluster,
  Directory,
  Login,
  Registry,
  Service,
} from "../../../src/edge/worker.ts";

/*
 * The production Worker, with what a person does at the page of a login: `POST /test/confirm/<login token>`, as the
 * holder of the access token in its authorization, answers with the code that the page would show.
 */

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, test, action, login = ""] = new URL(request.url).pathname.split("/");
    if (test !== "test" || action !== "confirm") return production.fetch(request, env);
    const person = await identify(
      env,
      bearerCredential(request.headers.get("authorization")),
      new TokenCache(() => Date.now()),
    );
    if (!person.ok) return Response.json(person, { status: 401 });
    const shown = await confirmCliLogin(env, login, person.value);
    return shown.ok ? Response.json(shown.value) : Response.json(shown, { status: 404 });
  },
};
