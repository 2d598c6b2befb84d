/**
 * The masternode registry in memory: {@link ./MasternodeTable.ts} under the node's clock.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { addressOf } from "../protocol/Address.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { MasternodeTable, type OwnMasternode } from "./MasternodeTable.ts"
import { remembered, store, type StoredMasternodes } from "./StoredMasternodes.ts"

/** A registry that is forgotten with the process. */
export const layer: Layer.Layer<MasternodeRegistry, never, NodeConfig | NodeIdentity> = Layer.effect(
  MasternodeRegistry,
  Effect.suspend(() => Effect.map(make(null), ({ registry }) => registry))
)

/** A registry with what an earlier one has stored, and how to store it in turn. */
export const make = Effect.fnUntraced(function* (stored: StoredMasternodes | null) {
  const { network } = yield* NodeConfig
  const own = yield* ownMasternode
  const started = yield* Clock.currentTimeMillis
  const table = new MasternodeTable(own, started)
  for (const [peer, memory] of stored === null ? [] : remembered(stored)) table.restore(peer, memory, started)
  const now = <A>(act: (now: number) => A) => Effect.map(Clock.currentTimeMillis, act)

  const registry = MasternodeRegistry.of({
    announce: (peer, record) => now((time) => table.announce(peer, record, time)),
    hint: (records, from) => now((time) => table.hint(records, from, network.p2pPort, time)),
    heartbeat: (heartbeat, from) => now((time) => table.heartbeat(heartbeat, from, time)),
    attestation: (attestation) => now((time) => table.attestation(attestation, time)),
    activeAt: (at) => table.activeAt(at),
    beat: now((time) => table.beat(time)),
    lastBeat: Effect.sync(() => table.lastBeat()),
    witness: (heartbeat) => now((time) => table.witness(heartbeat, time)),
    list: now((time) => table.entries(time).map((entry) => entry.view(time))),
    heartbeats: now((time) =>
      table.entries(time).flatMap(({ counted }) =>
        counted.toReversed().map(({ peer, sequence, timestamp, witnesses }) => ({
          peer,
          sequence,
          timestamp,
          witnesses: [...witnesses]
        }))
      )
    ),
    own: Effect.succeed(own?.record ?? null)
  })
  return {
    registry,
    /** Differs whenever something worth storing has changed. */
    revision: Effect.sync(() => table.revision),
    snapshot: now((time) => store(table.entries(time)))
  }
})

// --- internal ---

const ownMasternode = Effect.gen(function* () {
  const { masternode, network } = yield* NodeConfig
  const { externalAddress, key } = yield* NodeIdentity
  if (!masternode.enabled || externalAddress === null || key === null) return null
  return {
    peer: externalAddress,
    key,
    record: {
      address: externalAddress,
      rewardAddress: masternode.rewardAddress === "" ? addressOf(key.publicKey, network) : masternode.rewardAddress,
      tier: masternode.tier,
      publicKey: key.publicKey
    }
  } satisfies OwnMasternode
})
