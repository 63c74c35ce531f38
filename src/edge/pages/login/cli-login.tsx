import { ok } from "../../../domain/result.ts";
import { confirmCliLogin, readCliLogin } from "../../credentials/cli-login.ts";
import { Form } from "../elements/form.tsx";
import { definePage } from "../frame/page.ts";

/** The page that `jamsocket login` opens in a browser: has the login confirmed, and shows the code to type there. */
export const cliLoginPage = definePage({
  path: "/cli-login/:token",
  action: "read",
  anyScope: true,
  async show({ env, params, visitor, path }) {
    const login = await readCliLogin(env, params.token);
    if (!login.ok) return login;
    const { account, tokenName } = visitor.identity;
    return ok({
      title: "Log the command line in",
      body: (
        <section class="card" aria-label="Confirm">
          <p>
            A command line wants to act for account <strong>{account}</strong> with the rights of{" "}
            <strong>{tokenName}</strong>. It calls itself <code>{login.value.userAgent || "nothing"}</code>.
          </p>
          <p>Confirm only if you have just started this yourself, with `jamsocket login`.</p>
          <Form visitor={visitor} path={path}>
            <button type="submit" name="do" value="confirm">
              Yes, show me the code
            </button>
          </Form>
        </section>
      ),
    });
  },
  forms: {
    confirm: {
      action: "read",
      anyScope: true,
      async submit({ env, params, visitor }) {
        const confirmed = await confirmCliLogin(env, params.token, visitor.identity);
        if (!confirmed.ok) return confirmed;
        return ok({
          once: {
            title: "Log the command line in",
            body: (
              <section class="card" aria-label="Code">
                <p>Type this code where you have started the login:</p>
                <p class="code">{confirmed.value.code}</p>
                <p>It is good for one login and for ten minutes. You may close this page.</p>
              </section>
            ),
          },
        });
      },
    },
  },
});
