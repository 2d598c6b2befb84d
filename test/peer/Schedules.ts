/**
 * Schedules: what may happen next is asked of a world, one choice is taken, and again, until nothing may happen.
 *
 * All of them are tried by starting anew for each, which needs no copy of a world. One that fails is printed as the
 * list of its steps, which {@link replay} takes.
 */

/** Something in which one thing happens at a time, the same whenever the same steps are taken. */
export interface World {
  /** What may happen now; empty when the schedule is at its end. */
  readonly choices: () => ReadonlyArray<string>
  /** Lets it happen; throws when something holds no more that should. */
  readonly take: (step: string) => void
  /** Brings everything to its end; throws likewise. */
  readonly finish: () => void
}

/** Tries every schedule of a world, and says how many there are. */
export const everySchedule = (start: () => World): number => {
  const path: Array<{ index: number; readonly count: number }> = []
  for (let tried = 1; ; tried++) {
    let depth = 0
    play(start(), (choices) => {
      path[depth] ??= { index: 0, count: choices.length }
      return path[depth++]!.index
    })
    path.length = depth
    while (path.length > 0 && path.at(-1)!.index + 1 === path.at(-1)!.count) path.pop()
    const last = path.at(-1)
    if (last === undefined) return tried
    last.index++
  }
}

/** Tries one schedule of every seed below `count`. */
export const someSchedules = (count: number, start: () => World): void => {
  for (let seed = 0; seed < count; seed++) {
    const random = randomFrom(seed)
    play(start(), (choices) => Math.floor(random() * choices.length))
  }
}

/** Takes the steps of a schedule that was printed. */
export const replay = (start: () => World, steps: ReadonlyArray<string>): void => {
  let at = 0
  play(start(), (choices) => choices.indexOf(steps[at++]!))
}

/** Numbers from 0 to 1, the same of the same seed. */
export const randomFrom = (seed: number): (() => number) => {
  let state = (seed + 1) * 0x9e3779b9
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What went wrong, with the steps that led there. */
export const failedAfter = (steps: ReadonlyArray<string>, cause: unknown): Error =>
  new Error(`${cause instanceof Error ? cause.message : String(cause)}\nafter ${JSON.stringify(steps)}`, { cause })

// --- internal ---

const play = (world: World, choose: (choices: ReadonlyArray<string>) => number): void => {
  const steps: Array<string> = []
  try {
    for (let choices = world.choices(); choices.length > 0; choices = world.choices()) {
      const step = choices[choose(choices)]
      if (step === undefined) return world.finish()
      steps.push(step)
      world.take(step)
    }
    world.finish()
  } catch (cause) {
    throw failedAfter(steps, cause)
  }
}
