import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { quorum } from "../../src/consensus/Quorum.ts"
import { advance, type Electorate, type SpendPhase, type SpendStep, UNSPENT } from "../../src/consensus/SpendPhase.ts"
import { makeRandom } from "../fixtures/Random.ts"
import { owner } from "../fixtures/Blocks.ts"

const electorate = (size: number): Electorate => ({
  id: String(size),
  members: Array.from({ length: size }, (_, index) => ({
    address: `10.0.0.${index}`,
    publicKey: owner(1).key.publicKey
  }))
})

const phases: Record<SpendPhase["_tag"], SpendPhase> = {
  Unspent: UNSPENT,
  Locked: { _tag: "Locked", at: 1n },
  SpentPending: { _tag: "SpentPending", votes: 1, totalNodes: 4, at: 2n },
  SpentFinalized: { _tag: "SpentFinalized", votes: 3, at: 3n },
  Confirmed: { _tag: "Confirmed", height: 7n, at: 4n }
}

const steps: Record<SpendStep["_tag"], SpendStep> = {
  Lock: { _tag: "Lock", at: 5n },
  Poll: { _tag: "Poll", electorate: electorate(4), at: 6n },
  Count: { _tag: "Count", votes: 2 },
  Finalize: { _tag: "Finalize", votes: 3, at: 8n },
  Release: { _tag: "Release", reason: "Expired" },
  Confirm: { _tag: "Confirm", height: 9n, at: 10n },
  Overrule: { _tag: "Overrule" },
  Disconnect: { _tag: "Disconnect" }
}

/** Rows are phases, columns the steps in the order above; a dot is an illegal pair. */
const table: Record<SpendPhase["_tag"], string> = {
  Unspent: "Locked . . . . Confirmed . .",
  Locked: ". SpentPending . . Unspent Confirmed Unspent .",
  SpentPending: ". . SpentPending SpentFinalized Unspent Confirmed Unspent .",
  SpentFinalized: ". . . . . Confirmed Unspent .",
  Confirmed: ". . . . . . . Unspent"
}

describe("the phases of a spend", () => {
  it("every phase allows its steps and no other", () => {
    for (const [name, phase] of Object.entries(phases)) {
      const found = Object.values(steps).map((step) => {
        const next = advance(phase, step)
        if (Result.isSuccess(next)) return next.success._tag
        assert.deepStrictEqual([next.failure.from, next.failure.step], [phase._tag, step._tag])
        return "."
      })
      assert.strictEqual(found.join(" "), table[name as SpendPhase["_tag"]], name)
    }
  })

  it("is final with a quorum of its electorate alone, and never with more votes than there are voters", () => {
    for (let n = 1; n <= 20; n++) {
      const asked = Result.getOrThrow(advance(phases.Locked, { _tag: "Poll", electorate: electorate(n), at: 1n }))
      for (let votes = 0; votes <= n + 1; votes++) {
        const final = Result.isSuccess(advance(asked, { _tag: "Finalize", votes, at: 2n }))
        assert.strictEqual(final, 3 * votes >= 2 * n && votes <= n, `${votes} of ${n}`)
        assert.strictEqual(Result.isSuccess(advance(asked, { _tag: "Count", votes })), votes <= n)
      }
    }
    assert.isTrue(Result.isFailure(advance(phases.Locked, { _tag: "Poll", electorate: electorate(0), at: 1n })))
  })

  it("quorums are those of the network", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 5, 6, 7, 10].map(quorum), [1, 2, 2, 3, 4, 4, 5, 7])
  })

  it("whatever steps are tried, only the table's happen, and what is final ends in a block alone", () => {
    const all = Object.values(steps)
    for (let seed = 1; seed <= 50; seed++) {
      const random = makeRandom(seed)
      let phase: SpendPhase = UNSPENT
      for (let count = 0; count < 200; count++) {
        const step = all[random(all.length)]!
        const next = advance(phase, step)
        const allowed = table[phase._tag].split(" ")[all.indexOf(step)]!
        if (Result.isFailure(next)) {
          assert.isTrue(allowed === ".", `${phase._tag} refuses ${step._tag}`)
          continue
        }
        assert.strictEqual(next.success._tag, allowed)
        if (phase._tag === "SpentFinalized") assert.include(["Confirm", "Overrule"], step._tag)
        phase = next.success
      }
    }
  })
})
