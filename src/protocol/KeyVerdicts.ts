/**
 * What is known about public keys: the verdicts of `isCurvePoint` on the keys that were asked about last.
 *
 * The network's masternodes repeat their keys every minute. The memory is bounded: see `Limits.KEY_CACHE`.
 */
import { isCurvePoint } from "./CurvePoint.ts"
import { KEY_CACHE } from "./Limits.ts"

/** Whether the 32 bytes are a key, from memory if possible. */
export const isPublicKey = (bytes: Uint8Array): boolean => {
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
  const known = verdicts.get(key)
  if (known === undefined && verdicts.size >= KEY_CACHE) verdicts.delete(verdicts.keys().next().value!)
  if (known !== undefined) verdicts.delete(key)
  const verdict = known ?? isCurvePoint(bytes)
  // The map keeps the order of insertion: what was asked last is last.
  verdicts.set(key, verdict)
  return verdict
}

// --- internal ---

const verdicts = new Map<string, boolean>()
