import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { type Candidate, evictable, mustYield, places, weakest } from "../../../src/layers/registry/Eviction.ts"
import { EvictionPlan } from "../../../src/layers/registry/EvictionPlan.ts"
import type { Origin } from "../../../src/layers/registry/Origin.ts"
import { Tally } from "../../../src/layers/registry/Tally.ts"
import * as Limits from "../../../src/protocol/Limits.ts"

const origin = (network: number, isConfigured = false): Origin => ({
  network: `net ${network}`,
  rank: (network * 7_919) % 101,
  isConfigured
})

const candidate = (generation: number, network: number, overrides: Partial<Candidate> = {}): Candidate => ({
  generation,
  origin: origin(network),
  lowestPing: null,
  blockAt: null,
  transactionAt: null,
  ...overrides
})

const sizesOf = (all: ReadonlyArray<Candidate>): Tally<string> => {
  const sizes = new Tally<string>()
  for (const each of all) sizes.add(each.origin.network)
  return sizes
}

const victim = (all: ReadonlyArray<Candidate>, newcomer: Origin): Candidate | undefined => {
  const sizes = sizesOf(all)
  const found = weakest(evictable(all), sizes)
  return found !== undefined && mustYield(found, newcomer, sizes) ? found : undefined
}

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const Features = Schema.Struct({
  network: upTo(12),
  lowestPing: Schema.NullOr(upTo(20)),
  blockAt: Schema.NullOr(upTo(20)),
  transactionAt: Schema.NullOr(upTo(20)),
  isConfigured: Schema.Literals([false, false, false, false, true])
})
const Crowd = Schema.Array(Features).check(Schema.isMaxLength(150))

const crowd = (features: typeof Crowd.Type): ReadonlyArray<Candidate> =>
  features.map(({ isConfigured, network, ...rest }, index) =>
    candidate(index, network, { ...rest, origin: origin(network, isConfigured) })
  )

/** The best so many by a measure, of all. */
const best = (all: ReadonlyArray<Candidate>, measure: (one: Candidate) => number | null, count: number) =>
  all
    .filter((one) => measure(one) !== null)
    .toSorted((a, b) => measure(a)! - measure(b)! || a.generation - b.generation)
    .slice(0, count)

const shuffled = (all: ReadonlyArray<Candidate>, seed: number): ReadonlyArray<Candidate> =>
  all.toSorted((a, b) => ((a.generation + seed) * 7_919 - (b.generation + seed) * 7_919) % 31 || seed - 50)

describe("places", () => {
  it("are those of Bitcoin Core at its number of slots, and in proportion elsewhere", () => {
    assert.deepStrictEqual(places(114), { preferred: 4, fastest: 8, bringers: 4 })
    assert.deepStrictEqual(places(10), { preferred: 1, fastest: 1, bringers: 1 })
    assert.deepStrictEqual(places(1_024), { preferred: 36, fastest: 72, bringers: 36 })
  })
})

describe("who is set apart", () => {
  it.prop("is every configured peer, and the best in each respect", [Crowd], ([features]) => {
    const all = crowd(features)
    const left = new Set(evictable(all))
    const { bringers, fastest, preferred } = places(all.length)
    const never = [
      ...all.filter((one) => one.origin.isConfigured),
      ...best(all, ({ lowestPing }) => lowestPing, fastest),
      ...best(all, ({ blockAt }) => blockAt && -blockAt, bringers),
      ...best(all, ({ transactionAt }) => transactionAt && -transactionAt, bringers),
      ...Array.from(Map.groupBy(all, (one) => one.origin.network).values(), ([oldest]) => oldest!)
        .toSorted((a, b) => a.origin.rank - b.origin.rank)
        .slice(0, preferred)
    ]
    for (const one of never) assert.isFalse(left.has(one))
  })

  it.prop("includes the older half of the rest, and nobody younger without merit", [Crowd], ([features]) => {
    const all = crowd(features)
    const left = evictable(all)
    const { bringers, fastest, preferred } = places(all.length)
    const configured = all.filter(({ origin }) => origin.isConfigured).length
    const rest = all.length - configured - fastest - preferred - 2 * bringers
    const oldest = Math.max(0, rest >> 1)
    assert.isAtLeast(left.length, (rest + 1) >> 1)
    assert.isAtMost(left.length, (all.length - configured + 1) >> 1)
    const unconfigured = all.filter(({ origin }) => !origin.isConfigured)
    for (const one of unconfigured.slice(0, oldest)) assert.notInclude(left, one)
  })

  it.prop("does not depend on the order of the candidates", [Crowd, upTo(100)], ([features, seed]) => {
    const all = crowd(features)
    const numbers = (some: ReadonlyArray<Candidate>) => some.map(({ generation }) => generation).sort((a, b) => a - b)
    const other = shuffled(all, seed)
    assert.deepStrictEqual(numbers(evictable(other)), numbers(evictable(all)))
    assert.strictEqual(victim(other, origin(50)), victim(all, origin(50)))
  })

  it("is nobody in a pool without merits but the older half and the oldest of the preferred network", () => {
    const all = Array.from({ length: 10 }, (_, n) => candidate(n, n % 2))
    // Network 0 has the lower rank.
    assert.deepStrictEqual(
      evictable(all).map(({ generation }) => generation),
      [5, 6, 7, 8, 9]
    )
    assert.deepStrictEqual(evictable([]), [])
  })

  it("is one connection of each preferred network", () => {
    // Two places; by rank, network 0 comes before 13, and that before 1.
    const all = Array.from({ length: 40 }, (_, n) => candidate(n, n < 38 ? 1 : n === 38 ? 13 : 0))
    const left = evictable([...all.slice(0, 36), candidate(36, 0), ...all.slice(37)])
    const numbers = left.map(({ generation }) => generation)
    assert.notInclude(numbers, 36)
    assert.notInclude(numbers, 38)
    assert.include(numbers, 39)
  })

  it("does not give a place to who has no merit", () => {
    const all = Array.from({ length: 10 }, (_, n) => candidate(n, 1, n === 9 ? { lowestPing: 500 } : {}))
    assert.notInclude(
      evictable(all).map(({ generation }) => generation),
      9
    )
    assert.strictEqual(evictable(all).length, 4)
  })
})

describe("the one to close", () => {
  it.prop("is the youngest evictable of its network, and no network grows past its own", [Crowd, upTo(14)], (given) => {
    const all = crowd(given[0])
    const newcomer = origin(given[1])
    const found = victim(all, newcomer)
    if (found === undefined) return
    const left = evictable(all)
    assert.include(left, found)
    const sizes = sizesOf(all)
    const own = sizes.of(newcomer.network) + 1
    const theirs = sizes.of(found.origin.network)
    assert.isTrue(own < theirs || (own === theirs && newcomer.rank < found.origin.rank))
    for (const one of left) {
      assert.isAtMost(sizes.of(one.origin.network), theirs)
      if (one.origin.network === found.origin.network) assert.isAtMost(one.generation, found.generation)
    }
  })

  const numerous = Array.from({ length: 10 }, (_, n) => candidate(n, n < 8 ? 1 : n))

  it("is of the most numerous network, whoever is younger", () => {
    assert.strictEqual(victim(numerous, origin(20))?.generation, 7)
  })

  it("is not found for one more of the most numerous network", () => {
    assert.isUndefined(victim(numerous, origin(1)))
  })

  it("is decided by the secret where networks are equal, and never for the network itself", () => {
    const equals = Array.from({ length: 10 }, (_, n) => candidate(n, n))
    const found = victim(equals, { network: "better", rank: -1, isConfigured: false })!
    assert.strictEqual(found.origin.rank, Math.max(...evictable(equals).map(({ origin }) => origin.rank)))
    assert.isUndefined(victim(equals, { network: "worse", rank: 102, isConfigured: false }))
    for (const { origin } of equals) assert.isUndefined(victim(equals, origin))
  })

  it("is found for a configured newcomer wherever anybody may be closed", () => {
    assert.isDefined(victim(numerous, origin(1, true)))
    assert.isUndefined(victim([candidate(1, 1)], origin(2, true)))
  })
})

describe("EvictionPlan", () => {
  it("looks at all connections once in a while, however many newcomers there are", () => {
    let looks = 0
    const plan = new EvictionPlan<Candidate>()
    const counted = (generation: number): Candidate => ({
      ...candidate(generation, 1),
      get lowestPing() {
        looks++
        return null
      }
    })
    const all = Array.from({ length: 100 }, (_, n) => counted(n))
    for (const one of all) plan.came(one)
    for (let n = 0; n < 1_000; n++) assert.isUndefined(plan.victim(origin(1), n % Limits.EVICTION_REFRESH))
    const once = looks
    assert.isBelow(once, 1_000)
    plan.victim(origin(1), Limits.EVICTION_REFRESH)
    assert.strictEqual(looks, 2 * once)
  })

  it("follows who comes and who leaves in between", () => {
    const plan = new EvictionPlan<Candidate>()
    const all = Array.from({ length: 20 }, (_, n) => candidate(n, 1))
    for (const one of all) plan.came(one)
    for (const youngest of all.slice(12).toReversed()) {
      assert.strictEqual(plan.victim(origin(2), 0), youngest)
      plan.left(youngest)
      plan.left(youngest)
    }
    const late = candidate(20, 1)
    plan.came(late)
    assert.strictEqual(plan.victim(origin(2), 0), late)
    for (const one of [...all, late]) plan.left(one)
    assert.isUndefined(plan.victim(origin(2), 0))
    assert.strictEqual(plan.size, 0)
  })
})
