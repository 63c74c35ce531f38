/** Backend ids are DNS labels: the service's 5-character code, then 8 random characters. */
export const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
export const serviceCodeLength = 5;
export const backendRandomLength = 8;
export const backendIdPattern = /^[0-9abcdefghjkmnpqrstvwxyz]{13}$/;

/** Maps random bytes onto the alphabet. It has 32 letters, so the low five bits of a byte are uniform. */
export function encodeRandom(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => idAlphabet[byte & 31]).join("");
}

/** @param random at least `serviceCodeLength` random bytes */
export function serviceCode(random: Uint8Array): string {
  return encodeRandom(random.subarray(0, serviceCodeLength));
}

/** @param random at least `backendRandomLength` random bytes */
export function backendId(code: string, random: Uint8Array): string {
  return code + encodeRandom(random.subarray(0, backendRandomLength));
}

/** The parts of a backend id, or null where the text is not one. */
export function parseBackendId(id: string): { serviceCode: string; shard: string } | null {
  if (!backendIdPattern.test(id)) return null;
  return { serviceCode: id.slice(0, serviceCodeLength), shard: id.charAt(serviceCodeLength) };
}
