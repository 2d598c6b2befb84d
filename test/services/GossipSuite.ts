/**
 * What every Gossip must do, whatever it is built on.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import type { BroadcastOptions, PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { emptyBlock, peer, registry, transaction } from "../peer/Fixture.ts"

interface Broadcast {
  readonly message: Message
  readonly except: string | null
  readonly to?: BroadcastOptions["to"]
}

/** The contract, for a layer over a registry. */
export const suite = (layer: Layer.Layer<Gossip, never, PeerRegistry>): void => {
  const recording = (broadcasts: Array<Broadcast>) =>
    registry(
      {},
      {
        broadcast: (message, options) =>
          Effect.sync(() => {
            broadcasts.push({ message, except: options?.except ?? null, ...(options?.to && { to: options.to }) })
            return { sent: 1, skipped: 0 }
          })
      }
    )
  const withGossip = <A, E>(run: (broadcasts: ReadonlyArray<Broadcast>) => Effect.Effect<A, E, Gossip>) => {
    const broadcasts: Array<Broadcast> = []
    return Effect.suspend(() => run(broadcasts)).pipe(
      Effect.provide(layer, { local: true }),
      Effect.provide(recording(broadcasts), { local: true })
    )
  }
  const broadcast: Message = { _tag: "TransactionBroadcast", transaction: transaction(1) }
  const announcement: Message = { _tag: "BlockAnnouncement", block: emptyBlock(1) }

  it.effect("tells everybody but where it came from", () =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        assert.strictEqual(yield* gossip.relay("a", broadcast, peer(1)), "relayed")
        assert.deepStrictEqual(broadcasts, [{ message: broadcast, except: peer(1) }])
      })
    )
  )

  it.effect("tells those of them that are chosen, and counts the thing as told", () =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        const to = () => false
        yield* gossip.relay("a", broadcast, null, to)
        assert.deepStrictEqual(broadcasts, [{ message: broadcast, except: null, to }])
        assert.strictEqual(yield* gossip.relay("a", broadcast, null), "known")
      })
    )
  )

  it.effect("tells really everybody what this node made itself", () =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        yield* gossip.relay("a", broadcast, null)
        assert.deepStrictEqual(broadcasts, [{ message: broadcast, except: null }])
      })
    )
  )

  it.effect("tells nothing twice, whoever brings it again", () =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        yield* gossip.relay("a", broadcast, peer(1))
        for (const from of [peer(1), peer(2), null]) {
          assert.strictEqual(yield* gossip.relay("a", broadcast, from), "known")
        }
        assert.strictEqual(broadcasts.length, 1)
      })
    )
  )

  it.effect("tells things of different kinds apart, even if they are named alike", () =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        yield* gossip.relay("a", broadcast, null)
        assert.strictEqual(yield* gossip.relay("a", announcement, null), "relayed")
        assert.strictEqual(broadcasts.length, 2)
      })
    )
  )

  it.effect("remembers a bounded number of things, the newest", () =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        for (let n = 0; n <= Limits.SEEN_GOSSIP; n++) yield* gossip.relay(String(n), broadcast, null)
        assert.strictEqual(yield* gossip.relay(String(Limits.SEEN_GOSSIP), broadcast, null), "known")
        assert.strictEqual(yield* gossip.relay("1", broadcast, null), "known")
        assert.strictEqual(yield* gossip.relay("0", broadcast, null), "relayed")
        assert.strictEqual(broadcasts.length, Limits.SEEN_GOSSIP + 2)
      })
    )
  )

  const names = Schema.Array(Schema.Literals(["a", "b", "c", "d"]))
  it.effect.prop("relays each of any sequence of things once, at its first coming", [names], ([contents]) =>
    withGossip((broadcasts) =>
      Effect.gen(function* () {
        const gossip = yield* Gossip
        for (const [index, content] of contents.entries()) {
          const outcome = yield* gossip.relay(content, broadcast, peer(index))
          assert.strictEqual(outcome, contents.indexOf(content) === index ? "relayed" : "known")
        }
        assert.strictEqual(broadcasts.length, new Set(contents).size)
      })
    )
  )
}
