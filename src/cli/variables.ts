import { type Command, InvalidArgumentError, type Option } from "commander";

/** An option that the environment can give as well. */
export interface VariableOption {
  option: Option;
  /** The environment variable; an empty one counts as unset. That of a flag is `true` or `false`. */
  variable: string;
}

/** Adds options to a command, their variables in its help. */
export function addVariableOptions(command: Command, options: readonly VariableOption[]): void {
  for (const { option, variable } of options) {
    option.description += ` (${variable})`;
    command.addOption(option);
  }
}

/**
 * Sets the options that the command line leaves out from the environment. A value that an option does not accept ends
 * the command as it would on the command line. commander's own `Option.env` takes a flag as set whatever its variable
 * holds, and an empty variable as a value.
 */
export function readVariables(
  command: Command,
  options: readonly VariableOption[],
  env: NodeJS.ProcessEnv,
): void {
  for (const { option, variable } of options) {
    const name = option.attributeName();
    const text = env[variable];
    if (text === undefined || text === "" || command.getOptionValueSource(name) === "cli") continue;
    try {
      command.setOptionValueWithSource(name, optionValue(option, text), "env");
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      command.error(`error: ${variable} is not usable for ${option.flags}. ${error.message}`, error);
    }
  }
}

function optionValue(option: Option, text: string): unknown {
  if (option.isBoolean()) {
    if (text === "true" || text === "false") return text === "true";
    throw new InvalidArgumentError("expected true or false");
  }
  return option.parseArg ? option.parseArg(text, undefined) : text;
}
