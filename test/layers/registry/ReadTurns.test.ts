import { assert, describe, it } from "@effect/vitest"
import { ReadTurns } from "../../../src/layers/registry/ReadTurns.ts"

/** Turns of the event loop, one at a time. */
const loop = () => {
  let tasks: Array<() => void> = []
  return {
    schedule: (task: () => void) => void tasks.push(task),
    turn: () => {
      const due = tasks
      tasks = []
      for (const task of due) task()
      return due.length
    }
  }
}

describe("ReadTurns", () => {
  it("lets one go on in a turn, all of them in the order they came", () => {
    const { schedule, turn } = loop()
    const turns = new ReadTurns(schedule)
    const read: Array<string> = []
    const talkative = (name: string, times: number): void => {
      const onTurn = (): void => {
        read.push(name)
        if (--times > 0) turns.wait(onTurn)
      }
      turns.wait(onTurn)
    }
    talkative("a", 3)
    talkative("b", 2)
    talkative("c", 1)
    const seen: Array<string> = []
    while (turn() > 0) seen.push(read.splice(0).join(""))
    assert.deepStrictEqual(seen, ["a", "b", "c", "a", "b", "a"])
    assert.strictEqual(turns.size, 0)
  })

  it("passes over who has left, and costs no turn when nobody waits", () => {
    const { schedule, turn } = loop()
    const turns = new ReadTurns(schedule)
    const read: Array<string> = []
    const [a, b] = [() => void read.push("a"), () => void read.push("b")]
    turns.wait(a)
    turns.wait(b)
    turns.leave(a)
    turn()
    assert.deepStrictEqual(read, ["b"])
    assert.strictEqual(turn(), 0)
    turns.wait(a)
    turns.leave(a)
    assert.strictEqual(turn(), 1)
    assert.strictEqual(turn(), 0)
    assert.deepStrictEqual(read, ["b"])
  })
})
