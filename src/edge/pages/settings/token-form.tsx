import { tokenRoles } from "../../../domain/credentials/access.ts";
import { type TokenRight, tokenRights } from "../../../domain/credentials/rights.ts";
import type { CreateTokenBody } from "../../../protocol/v3/accounts.ts";
import { Form } from "../elements/form.tsx";
import { NameChoice } from "../elements/name-choice.tsx";
import { AttemptField } from "../frame/form-attempt.tsx";
import type { Visitor } from "../frame/page-call.ts";

const day = 24 * 3600;
/** The lifetimes that the form offers; the API takes any number of seconds. */
const expiries: readonly { text: string; seconds: number | null }[] = [
  { text: "1 day", seconds: day },
  { text: "7 days", seconds: 7 * day },
  { text: "30 days", seconds: 30 * day },
  { text: "90 days", seconds: 90 * day },
  { text: "1 year", seconds: 365 * day },
  { text: "never", seconds: null },
];

/** The form that creates a token; access-token-forms.tsx handles it. */
export function CreateTokenForm({
  services,
  visitor,
  path,
}: {
  services: readonly string[];
  visitor: Visitor;
  path: string;
}) {
  return (
    <Form visitor={visitor} path={path} label="Create a token">
      <AttemptField />
      <div class="fields">
        <label>
          <span>Name: who or what holds it</span>
          <input name="name" required maxlength={100} autocomplete="off" />
        </label>
        <label>
          <span>Role</span>
          <select name="role">
            {tokenRoles.toReversed().map((role) => (
              <option value={role}>
                {role}: {roleTexts[role]}
              </option>
            ))}
          </select>
        </label>
        <fieldset>
          <legend>Rights beside the role, which has none of them</legend>
          {tokenRights.map((right) => (
            <label>
              <input type="checkbox" name={`right-${right}`} value="yes" /> {right}: {rightTexts[right]}
            </label>
          ))}
        </fieldset>
        <NameChoice
          name="service"
          label="Service: only this one"
          all="all services"
          names={services}
          chosen={undefined}
        />
        <label>
          <span>Environments of that service: only these, with a comma between them (empty: all)</span>
          <input name="environments" autocomplete="off" spellcheck={false} />
        </label>
        <label>
          <span>Expires after</span>
          <select name="expires">
            {expiries.map(({ text, seconds }) => (
              <option value={seconds ?? ""} selected={seconds === 90 * day}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <div>
          <button type="submit" name="do" value="create-token">
            Create the token
          </button>
        </div>
      </div>
    </Form>
  );
}

const rightTexts: Record<TokenRight, string> = {
  approve: "approve the changes of others",
  check: "post the results of checks of images",
};

const roleTexts: Record<CreateTokenBody["role"], string> = {
  admin: "everything, tokens and clusters too",
  deploy: "look, push images, change pins",
  spawn: "look, start and end backends",
  read: "look",
};
