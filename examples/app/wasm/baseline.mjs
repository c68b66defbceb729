// The same work as engine.wat, twice: as one would write it, and tuned (32-bit limbs, Math.imul).

const A = 6364136223846793005n;
const C = 1442695040888963407n;
const MASK = 0xffffffffffffffffn;

export function run(iterations, seed) {
  let state = BigInt(seed >>> 0);
  for (let step = 0; step < iterations; step++) state = (state * A + C) & MASK;
  return state;
}

const [A0, A1] = [Number(A & 0xffffffffn), Number(A >> 32n)];
const [C0, C1] = [Number(C & 0xffffffffn), Number(C >> 32n)];

// The high half of a product of two unsigned 32-bit numbers, by 16-bit parts.
function high(one, other) {
  const [a0, a1, b0, b1] = [one & 0xffff, one >>> 16, other & 0xffff, other >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  return (a1 * b1 + Math.floor(middle / 65536) + (((middle & 0xffff) + a0 * b1) / 65536)) >>> 0;
}

export function tuned(iterations, seed) {
  let low = seed >>> 0;
  let upper = 0;
  for (let step = 0; step < iterations; step++) {
    const product = Math.imul(low, A0) >>> 0;
    upper = (high(low, A0) + Math.imul(low, A1) + Math.imul(upper, A0)) >>> 0;
    low = product + C0;
    upper = (upper + C1 + (low > 0xffffffff ? 1 : 0)) >>> 0;
    low >>>= 0;
  }
  return (BigInt(upper) << 32n) | BigInt(low);
}
