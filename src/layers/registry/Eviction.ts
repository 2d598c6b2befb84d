/**
 * Which connection is closed for a newcomer when all inbound slots are taken, as pure functions.
 *
 * The rules follow Bitcoin Core's. First, connections are set apart that an attacker can hardly imitate in all respects
 * at once: some from networks that a secret prefers, some with the shortest ping, some that brought a new transaction or
 * a new block last, and the older half of what is left. Of the rest, the youngest of the most numerous network is the
 * weakest.
 *
 * Other than there, the newcomer is weighed like the rest, and of equally numerous networks the secret decides. Whom the
 * remaining slots go to is then a matter of networks alone: an attacker gains by having more of them, and nothing by
 * dialling more often, by dialling first, or when the connections of others break.
 *
 * Connections in their handshake are weighed like established ones. To close them first would let a flood of dials keep
 * every honest newcomer from finishing its handshake; to spare them would let a flood of open handshakes push
 * established ones out. As the youngest, which have brought nothing, they are rarely set apart.
 *
 * Masternodes are not set apart: anybody can announce to be one, at no cost (M-9).
 */
import type { Origin } from "./Origin.ts"
import type { Tally } from "./Tally.ts"

/** What is known of an inbound connection. */
export interface Candidate {
  /** Older connections have lower ones. */
  readonly generation: number
  readonly origin: Origin
  /** The shortest round trip so far, milliseconds. */
  readonly lowestPing: number | null
  /** When it last brought a new block and a new transaction, monotonic milliseconds. */
  readonly blockAt: number | null
  readonly transactionAt: number | null
}

/** Those that may be closed, of all inbound connections. Which they are does not depend on the order given. */
export const evictable = <C extends Candidate>(inbound: Iterable<C>): Array<C> => {
  let left = Array.from(inbound)
  const { bringers, fastest, preferred } = places(left.length)
  const setApart = (best: ReadonlyArray<C>): void => {
    const kept = new Set(best)
    left = left.filter((candidate) => !kept.has(candidate))
  }
  setApart(left.filter(({ origin }) => origin.isConfigured))
  setApart(oldestOfEachNetwork(left).toSorted(byRank).slice(0, preferred))
  setApart(lowest(left, ({ lowestPing }) => lowestPing, fastest))
  setApart(lowest(left, ({ transactionAt }) => negated(transactionAt), bringers))
  setApart(lowest(left, ({ blockAt }) => negated(blockAt), bringers))
  setApart(left.toSorted(byAge).slice(0, left.length >> 1))
  return left
}

/** The first of them to be closed. `sizes` counts all inbound connections by network, set apart or not. */
export const weakest = <C extends Candidate>(candidates: Iterable<C>, sizes: Tally<string>): C | undefined => {
  let found: C | undefined
  for (const candidate of candidates) if (found === undefined || isWeaker(candidate, found, sizes)) found = candidate
  return found
}

/** True when the weakest is to be closed for a newcomer. */
export const mustYield = (weakest: Candidate, newcomer: Origin, sizes: Tally<string>): boolean => {
  if (newcomer.isConfigured) return true
  const excess = sizes.of(newcomer.network) + 1 - sizes.of(weakest.origin.network)
  return excess < 0 || (excess === 0 && newcomer.rank < weakest.origin.rank)
}

/** How many are set apart of so many connections: 4, 8 and 4 of Bitcoin Core's 114, and at least one. */
export const places = (connections: number) => ({
  preferred: Math.ceil((connections * 4) / 114),
  fastest: Math.ceil((connections * 8) / 114),
  /** Of those that brought transactions, and again of those that brought blocks. */
  bringers: Math.ceil((connections * 4) / 114)
})

// --- internal ---

const byAge = (a: Candidate, b: Candidate): number => a.generation - b.generation

const isWeaker = (a: Candidate, b: Candidate, sizes: Tally<string>): boolean =>
  (sizes.of(a.origin.network) - sizes.of(b.origin.network) || byRank(a, b)) > 0

const byRank = (a: Candidate, b: Candidate): number => a.origin.rank - b.origin.rank || byAge(a, b)

/** One each, so that many connections from a preferred network take one place. */
const oldestOfEachNetwork = <C extends Candidate>(candidates: ReadonlyArray<C>): ReadonlyArray<C> => {
  const oldest = new Map<string, C>()
  for (const candidate of candidates) {
    const other = oldest.get(candidate.origin.network)
    if (other === undefined || byAge(candidate, other) < 0) oldest.set(candidate.origin.network, candidate)
  }
  return Array.from(oldest.values())
}

/** Those for which a measure is lowest, of equals the older; never those for which it is not known. */
const lowest = <C extends Candidate>(
  candidates: ReadonlyArray<C>,
  measure: (candidate: C) => number | null,
  count: number
): ReadonlyArray<C> =>
  candidates
    .filter((candidate) => measure(candidate) !== null)
    .toSorted((a, b) => measure(a)! - measure(b)! || byAge(a, b))
    .slice(0, count)

const negated = (time: number | null): number | null => (time === null ? null : -time)
