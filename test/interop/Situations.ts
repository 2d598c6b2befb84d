/**
 * What happens to a pair in a round. Every one leaves both running; what then has to come of it is one connection.
 */
import { Effect, type Scope } from "effect"
import type { Pair } from "./Pair.ts"

export interface Situation {
  readonly name: string
  /** False where the pair has nobody to do it. */
  readonly suits: (pair: Pair) => boolean
  /** `random` gives numbers from 0 to 1. Durations are real seconds; the nodes' own are 20 times longer. */
  readonly happen: (pair: Pair, random: () => number) => Effect.Effect<void, unknown, Scope.Scope>
}

/** Longer, in real seconds, than a silent connection is trusted (35 s), than either side waits for Pongs, and than 150 s. */
const ABSENCES = [2, 3, 5, 8] as const

const always = () => true
const timedDials = ({ dialler }: Pair) => dialler !== "timenode"
const seconds = (count: number) => Effect.sleep(`${Math.round(count * 1000)} millis`)
const pick = <A>(choices: ReadonlyArray<A>, random: () => number): A => choices[Math.floor(random() * choices.length)]!

export const situations: ReadonlyArray<Situation> = [
  {
    name: "we dial it",
    suits: always,
    happen: ({ dial, drop }) => Effect.andThen(drop, dial)
  },
  {
    name: "it dials us",
    suits: ({ dialler }) => dialler === "timed",
    happen: ({ drop }) => drop
  },
  {
    name: "both dial at once",
    suits: timedDials,
    // It dials as it starts. When we go on, that waits to be accepted, and our own dial is due.
    happen: ({ dialLater, kill, restart, whileWeAreStopped }) =>
      Effect.andThen(kill, whileWeAreStopped(Effect.andThen(dialLater, restart)))
  },
  {
    name: "both dial as it starts",
    suits: timedDials,
    happen: Effect.fnUntraced(function* ({ dial, kill, restart }) {
      yield* kill
      // Refused until its port is open, which is about when it dials itself.
      const insist = Effect.repeat(Effect.andThen(dial, seconds(0.02)), { while: () => true })
      yield* Effect.raceFirst(Effect.andThen(restart, seconds(0.3)), insist)
    })
  },
  {
    name: "it is stopped and goes on",
    suits: always,
    happen: ({ whileItIsStopped }, random) => whileItIsStopped(seconds(pick(ABSENCES, random)))
  },
  {
    name: "we are stopped and go on",
    suits: always,
    happen: ({ whileWeAreStopped }, random) => whileWeAreStopped(seconds(pick(ABSENCES, random)))
  },
  {
    name: "it is killed and restarted",
    suits: always,
    happen: ({ kill, restart }, random) =>
      kill.pipe(Effect.andThen(Effect.suspend(() => seconds(random() * 1.5))), Effect.andThen(restart))
  },
  {
    name: "we drop it and somebody redials",
    suits: always,
    happen: ({ drop }) => drop
  },
  {
    name: "it left a silent connection behind",
    suits: always,
    happen: Effect.fnUntraced(function* ({ impostor, kill, restart }, random) {
      yield* kill
      yield* impostor("shaken hands")
      yield* seconds(random() * 2)
      yield* restart
    })
  },
  {
    name: "half-open sockets in its name",
    suits: always,
    happen: Effect.fnUntraced(function* ({ drop, impostor }, random) {
      yield* drop
      for (let count = Math.ceil(random() * 4); count > 0; count--) yield* impostor("connected")
    })
  }
]
