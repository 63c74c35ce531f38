/*
 * Backend ids are DNS labels: the service's code, and after it random characters.
 */

/** 32 digits and lower-case letters, without those that are easily taken for others: i, l, o, u. */
export const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
/** How many characters a service's code has. It begins the id of each of its backends. */
export const serviceCodeLength = 5;
/** How many characters of a backend's id are random: 40 bits. */
export const backendRandomLength = 8;
/** A backend's id: a code and its random characters. */
export const backendIdPattern = /^[0-9abcdefghjkmnpqrstvwxyz]{13}$/;

/**
 * Maps random bytes onto the alphabet, a letter for each: the low five bits of a byte are uniform.
 * @example encodeRandom(new Uint8Array([0, 10, 33])) // "0a1"
 */
export function encodeRandom(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += idAlphabet.charAt(byte & 31);
  return text;
}

/** A code for a new service. @param random at least `serviceCodeLength` random bytes */
export function serviceCode(random: Uint8Array): string {
  return encodeRandom(random.subarray(0, serviceCodeLength));
}

/**
 * An id for a new backend. It may be taken already: the database decides.
 * @param code the service's
 * @param random at least `backendRandomLength` random bytes
 */
export function backendId(code: string, random: Uint8Array): string {
  return code + encodeRandom(random.subarray(0, backendRandomLength));
}

/**
 * The parts of a backend's id: whose it is, and which of the service's shards keeps its history.
 * @returns null for a text that is no backend's id
 * @example parseBackendId("k3f9q7h3kq2m9") // { serviceCode: "k3f9q", shard: "7" }
 */
export function parseBackendId(id: string): { serviceCode: string; shard: string } | null {
  if (!backendIdPattern.test(id)) return null;
  return { serviceCode: id.slice(0, serviceCodeLength), shard: id.charAt(serviceCodeLength) };
}
