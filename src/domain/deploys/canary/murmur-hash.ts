/**
 * MurmurHash3_x86_32 of a text's UTF-16 code units, in little endian (Appleby, SMHasher). It spreads, and protects against
 * nobody. A text of 128 units takes a fraction of a microsecond.
 * @param seed 32 bits, as is what is returned: 0 to 2^32 - 1
 */
export function murmurHash(text: string, seed: number): number {
  let hash = seed | 0;
  const paired = text.length & ~1;
  for (let i = 0; i < paired; i += 2) {
    hash ^= scrambled(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    hash = Math.imul(rotated(hash, 13), 5) + 0xe6546b64;
  }
  if (paired < text.length) hash ^= scrambled(text.charCodeAt(paired));
  hash ^= 2 * text.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(block: number): number {
  return Math.imul(rotated(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
}

function rotated(bits: number, by: number): number {
  return (bits << by) | (bits >>> (32 - by));
}
