/**
 * The masternodes that decide on blocks for a while, and those that blocks pay, as this node has seen them.
 *
 * A set is that of a tenth of a block's time before a block is due, a minute on the public networks, so that heartbeats of
 * that time have reached everybody. It decides
 * until the next block is due, whether on that block or on earlier ones that are missing.
 */
import { payableAddresses } from "../consensus/BlockAssembly.ts"
import type { PublicKey } from "../protocol/Ed25519.ts"
import type { Height } from "../protocol/Height.ts"
import { dueTime, type Network } from "../protocol/Network.ts"
import type { MasternodeRegistry } from "../services/MasternodeRegistry.ts"

export interface Committee {
  /** In the order of their bytes. */
  readonly members: ReadonlyArray<string>
  readonly keys: ReadonlyMap<string, PublicKey>
}

type Masternodes = MasternodeRegistry["Service"]

/** The set of the time in which the block of `due` is due. */
export const committeeOf = (masternodes: Masternodes, network: Network, due: Height): Committee => {
  const active = masternodes.activeAt(setTime(network, due))
  return {
    members: active.map(({ peer }) => peer),
    keys: new Map(active.map(({ peer, publicKey }) => [peer, publicKey]))
  }
}

/** The addresses that a block made in that time pays. */
export const payeesOf = (masternodes: Masternodes, network: Network, due: Height): ReadonlyArray<string> =>
  payableAddresses(
    network,
    masternodes.activeAt(setTime(network, due)).map(({ rewardAddress }) => rewardAddress)
  )

/** The addresses of those that were active at every minute of the block's time before, and of those ever active in it. */
export const activeInPeriod = (
  masternodes: Masternodes,
  network: Network,
  due: Height
): { readonly always: ReadonlyArray<string>; readonly ever: ReadonlyArray<string> } => {
  const end = setTime(network, due)
  const ever = new Map<string, string>()
  const counts = new Map<string, number>()
  let samples = 0
  for (let at = end; at >= end - network.blockSeconds; at -= SAMPLE_SECONDS) {
    samples++
    for (const { peer, rewardAddress } of masternodes.activeAt(at)) {
      ever.set(peer, rewardAddress)
      counts.set(peer, (counts.get(peer) ?? 0) + 1)
    }
  }
  const always = [...ever].filter(([peer]) => counts.get(peer) === samples).map(([, address]) => address)
  return { always: payableAddresses(network, always), ever: payableAddresses(network, [...ever.values()]) }
}

// --- internal ---

const SAMPLE_SECONDS = 60n

const setTime = (network: Network, due: Height): bigint => dueTime(network, due) - network.blockSeconds / 10n
