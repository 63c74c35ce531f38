import { shortPin, storedPin } from "../../domain/pins/pin.ts";
import type { PinAnswer } from "../../protocol/v3/services.ts";
import { type EnvironmentPath, environmentName } from "../arguments.ts";
import { table } from "../output.ts";

/** What an environment runs now and ran before; of a rollback, what else it has come to. */
export function pinText(pin: PinAnswer, path: EnvironmentPath): string {
  const name = environmentName(path);
  const { previous } = pin;
  const images = table(
    ["ENVIRONMENT", "REVISION", "IMAGE", "DIGEST"],
    [
      [name, pin.revision, shortPin(storedPin(pin.image)), pin.digest],
      ["(before)", previous.revision, shortPin(storedPin(previous.image)), previous.digest],
    ],
  );
  const { to_revision: to, rejected, unfollowed } = pin;
  const said = [
    ...(to === undefined ? [] : [`It is back at what revision ${to} ran.`]),
    ...(rejected
      ? [`It has rejected ${rejected}: bringing that back takes --force, or \`slipway env lift\`.`]
      : []),
    ...(unfollowed
      ? [
          `It does not follow \`${unfollowed.tag}\` any more, which is ${unfollowed.digest ?? "nothing"} now; ` +
            `\`slipway env follow ${name}\` resumes.`,
        ]
      : []),
  ];
  return said.length === 0 ? images : `${images}\n\n${said.join("\n")}`;
}
