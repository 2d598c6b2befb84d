/**
 * What peers want to be told about: outputs and addresses, bounded for each peer and in all, gone with the connection.
 */
import * as Limits from "../protocol/Limits.ts"
import type { Subscription } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { OutPoint } from "../protocol/Transaction.ts"
import { outPointKey } from "../protocol/Utxo.ts"
import type { Connection } from "../services/PeerRegistry.ts"

export class Subscriptions {
  readonly #subscribers = new Map<PeerId, Subscriber>()
  /** Who wants to hear of an output or an address, by its name. */
  readonly #wanted = new Map<string, Map<PeerId, number>>()
  #total = 0

  /** True if anybody wants anything. */
  get any(): boolean {
    return this.#wanted.size > 0
  }

  /** Keeps a subscription, in place of an earlier one of the same id; false when there is no room for it. */
  add({ generation, peer }: Connection, { addresses, id, outpoints }: Subscription): boolean {
    if (this.#subscribers.get(peer)?.generation !== generation) this.drop(peer)
    this.remove(peer, id)
    const subscriber = this.#subscribers.get(peer) ?? { generation, wants: new Map(), count: 0 }
    const names = new Set([...addresses.map(addressName), ...outpoints.map(outpointName)])
    const fits =
      id.length <= Limits.PEER_TEXT &&
      addresses.every((address) => address.length <= Limits.PEER_TEXT) &&
      subscriber.wants.size < Limits.SUBSCRIPTIONS_PER_PEER &&
      subscriber.count + names.size <= Limits.SUBSCRIBED_PER_PEER &&
      this.#total + names.size <= Limits.SUBSCRIBED_TOTAL
    if (!fits) return false
    this.#subscribers.set(peer, subscriber)
    subscriber.wants.set(id, names)
    subscriber.count += names.size
    this.#total += names.size
    for (const name of names) {
      const peers = this.#wanted.get(name) ?? new Map<PeerId, number>()
      peers.set(peer, (peers.get(peer) ?? 0) + 1)
      this.#wanted.set(name, peers)
    }
    return true
  }

  remove(peer: PeerId, id: string): void {
    const subscriber = this.#subscribers.get(peer)
    const names = subscriber?.wants.get(id)
    if (subscriber === undefined || names === undefined) return
    subscriber.wants.delete(id)
    subscriber.count -= names.size
    this.#total -= names.size
    if (subscriber.wants.size === 0) this.#subscribers.delete(peer)
    for (const name of names) {
      const peers = this.#wanted.get(name)!
      const left = peers.get(peer)! - 1
      if (left > 0) peers.set(peer, left)
      else peers.delete(peer)
      if (peers.size === 0) this.#wanted.delete(name)
    }
  }

  /** Forgets a peer, unless it is connected by the connection that subscribed. */
  drop(peer: PeerId, generation?: number): void {
    const subscriber = this.#subscribers.get(peer)
    if (subscriber === undefined || subscriber.generation === generation) return
    for (const id of subscriber.wants.keys()) this.remove(peer, id)
  }

  get peers(): ReadonlyArray<PeerId> {
    return [...this.#subscribers.keys()]
  }

  /** Who wants to hear of an output that pays to an address. */
  subscribers(outpoint: OutPoint, address: string): ReadonlySet<PeerId> {
    const names = [outpointName(outpoint), addressName(address)]
    return new Set(names.flatMap((name) => [...(this.#wanted.get(name)?.keys() ?? [])]))
  }
}

// --- internal ---

interface Subscriber {
  readonly generation: number
  readonly wants: Map<string, ReadonlySet<string>>
  count: number
}

const addressName = (address: string): string => `to ${address}`
const outpointName = (outpoint: OutPoint): string => outPointKey(outpoint)
