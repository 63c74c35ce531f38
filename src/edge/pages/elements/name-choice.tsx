import { choicesOfferedMax } from "../../../domain/limits.ts";

/**
 * A field for a name that there is, chosen from a list; where there are too many for that, it is written.
 * @param all what the empty choice means @param names null: too many
 */
export function NameChoice({
  name,
  label,
  all,
  names,
  chosen,
}: {
  name: string;
  label: string;
  all: string;
  names: readonly string[] | null;
  chosen: string | undefined;
}) {
  if (names === null || names.length > choicesOfferedMax) {
    return (
      <label>
        <span>{label}</span>
        <input name={name} value={chosen ?? ""} placeholder={all} autocomplete="off" spellcheck={false} />
      </label>
    );
  }
  return (
    <label>
      <span>{label}</span>
      <select name={name}>
        <option value="">{all}</option>
        {names.map((offered) => (
          <option value={offered} selected={offered === chosen}>
            {offered}
          </option>
        ))}
      </select>
    </label>
  );
}
