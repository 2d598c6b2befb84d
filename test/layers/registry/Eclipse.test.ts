/**
 * What an attacker gets of a node's inbound slots: `npm run bench -- eclipse` at full length, here with fewer attempts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { LiveConnection } from "../../../src/layers/registry/LiveConnection.ts"
import { places } from "../../../src/layers/registry/Eviction.ts"
import { peerId } from "../../../src/protocol/PeerId.ts"
import { besiege, fromNetworks, type Siege } from "../../support/Eclipse.ts"
import { ScriptedPool } from "../../support/ScriptedPool.ts"

const siege = { slots: 100, honest: 60, honestNetworks: 40, attempts: 600 }

describe("a day under siege", () => {
  const cases: ReadonlyArray<Omit<Siege, "seed" | "attacker"> & { readonly from: number; readonly atLeast: number }> = [
    { ...siege, from: 3, atLeast: 60 },
    { ...siege, from: 3, breaks: 200, atLeast: 55 },
    { ...siege, from: 3, isAttackerFirst: true, breaks: 200, atLeast: 44 },
    { ...siege, from: 100, atLeast: 44 },
    { ...siege, from: 100, isAttackerFirst: true, breaks: 200, atLeast: 15 }
  ]
  for (const { atLeast, from, ...given } of cases) {
    const how = `${given.isAttackerFirst === true ? " that came first" : ""}${given.breaks === undefined ? "" : ", links break"}`
    it(`leaves ${atLeast} of 60 honest peers, against ${from} networks${how}`, () => {
      const outcome = besiege({ ...given, attacker: fromNetworks(from), seed: 1 })
      assert.isAtLeast(outcome.fewest, atLeast, JSON.stringify(outcome))
    })
  }
})

describe("the oldest connections", () => {
  const SLOTS = 40
  const { bringers, fastest, preferred } = places(SLOTS)
  const OLDEST = (SLOTS - preferred - fastest - 2 * bringers) >> 1
  const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  const Dial = Schema.Struct({
    network: upTo(200),
    host: upTo(3),
    ping: upTo(100),
    brings: Schema.Literals(["block", "transaction", "nothing", "half open"])
  })

  it.prop("stay, whatever an attacker does", [Schema.Array(Dial).check(Schema.isMinLength(60))], ([dials]) => {
    const node = new ScriptedPool({ slots: { inbound: SLOTS, outbound: 0 } })
    const honest = Array.from({ length: OLDEST }, (_, n) => node.establish(peerId(`11.7.0.${n}`)!)!)
    for (const { brings, host, network, ping } of dials) {
      node.now += 700
      const admitted = node.connect(peerId(`${100 + (network >> 6)}.${network & 63}.0.${host}`)!)
      if (!(admitted instanceof LiveConnection) || brings === "half open") continue
      node.pool.claim(admitted)
      admitted.recordPing(ping)
      if (brings !== "nothing") admitted.recordUseful(brings)
    }
    for (const { reason } of honest) assert.isUndefined(reason)
    assert.isAtMost(node.pool.slots.count("inbound"), SLOTS)
  })
})
