/** A message as a whole sentence, for pages. What others have said may be one already. */
export function sentenceOf(message: string): string {
  const end = /[.!?…]$/.test(message) ? "" : ".";
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${end}`;
}
