/** Escape sequences of terminals (ECMA-48): control sequences, such as colours, control strings, and others. */
const escapes =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[ -/]*[0-~]/g;

/** Invisible characters, and those that change how the text around them is shown: controls and marks of direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unseen = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Cleans a line of output for a page: without escape sequences, and with U+FFFD for other control characters. */
export function outputText(line: string): string {
  return line.replace(escapes, "").replace(unseen, "\ufffd").toWellFormed();
}
