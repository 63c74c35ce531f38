/** Terminals' own commands (ECMA-48): control sequences, such as colours; texts for the terminal; and other escapes. */
const escapes =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[ -/]*[0-~]/g;

/** What would be seen as nothing, or change how the text around it is read: controls and marks of direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unseen = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** A line of a backend's output as a page can show it: without colours, its other control characters as U+FFFD. */
export function outputText(line: string): string {
  return line.replace(escapes, "").replace(unseen, "\ufffd").toWellFormed();
}
