/**
 * Faults that the tests must find, as data: `npm run test:mutants` plants each in a copy of the project and runs the
 * tests named here. They are the faults a registry of peers must not have: an answer for the wrong asker, a claim taken
 * from its owner, a late answer taken for the next one.
 */
export interface Mutant {
  readonly name: string
  /** What is changed, relative to the project. */
  readonly file: string
  /** Exactly once in the file. */
  readonly text: string
  readonly replacement: string
  /** Each of these files must fail by itself. */
  readonly tests: ReadonlyArray<string>
}

const matcherTests = [
  "test/layers/registry/AnswerMatcher.test.ts",
  "test/layers/registry/AnswerMatcher.operations.test.ts"
]

const bftTests = ["test/consensus/BftRound.test.ts"]

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "waiters are popped newest first",
    file: "src/layers/registry/AnswerMatcher.ts",
    text: `
    for (let index = this.first; index < this.asked.length; index++) {
      const asked = this.asked[index]!
`,
    replacement: `
    for (let index = this.asked.length - 1; index >= this.first; index--) {
      const asked = this.asked[index]!
`,
    tests: matcherTests
  },
  {
    name: "a claim is released by a connection that does not own it",
    file: "src/layers/registry/Claims.ts",
    text: `
    if (current !== connection && rival?.connection !== connection) return "none"
    this.contested.delete(claim)
    claim.rival = undefined
    if (current !== connection) return "kept"
`,
    replacement: `
    this.contested.delete(claim)
    claim.rival = undefined
    if (rival?.connection === connection) return "kept"
`,
    tests: ["test/layers/registry/Claims.test.ts"]
  },
  {
    name: "a request that was given up leaves no tombstone",
    file: "src/layers/registry/AnswerMatcher.ts",
    text: `
    this.waiting--
    this.forgetOldest()
`,
    replacement: `
    this.waiting--
    this.asked.splice(this.asked.indexOf(asked), 1)
`,
    tests: matcherTests
  },
  {
    name: "a simple majority decides",
    file: "src/consensus/Quorum.ts",
    text: "Math.ceil((2 * n) / 3)",
    replacement: "Math.floor(n / 2) + 1",
    tests: ["test/consensus/LeaderSchedule.test.ts", ...bftTests]
  },
  {
    name: "a lock is forgotten in the next round",
    file: "src/consensus/BftRound.ts",
    text: "if (locked === null || locked.value === value) return value",
    replacement: "return value",
    tests: bftTests
  },
  {
    name: "a lock gives way to a quorum from before it",
    file: "src/consensus/BftRound.ts",
    text: "at >= locked.round && at < round &&",
    replacement: "at < round &&",
    tests: bftTests
  },
  {
    name: "a block is locked without being known",
    file: "src/consensus/BftRound.ts",
    text: "value !== undefined && this.state.values.get(value) === true) {\n        this.state.locked",
    replacement: "value !== undefined) {\n        this.state.locked",
    tests: bftTests
  },
  {
    name: "a lock does not survive a crash",
    file: "src/consensus/BftRound.ts",
    text: "locked: memory?.locked ?? null",
    replacement: "locked: null",
    tests: bftTests
  },
  {
    name: "what was signed before a crash is signed again",
    file: "src/consensus/BftRound.ts",
    text: "    this.state.step = step\n    this.actions",
    replacement: '    this.state.step = "Propose"\n    this.actions',
    tests: bftTests
  },
  {
    name: "of two votes of a member only the first counts",
    file: "src/consensus/BftRound.ts",
    text: "if (value !== NIL && !this.state.values.has(value)) return",
    replacement: "return",
    tests: bftTests
  },
  {
    name: "a single member takes everybody to its round",
    file: "src/consensus/BftRound.ts",
    text: "[honestMinority(members.length) - 1]!",
    replacement: "[0]!",
    tests: bftTests
  },
  {
    name: "the valid block is not proposed again",
    file: "src/consensus/BftRound.ts",
    text: "value: this.state.valid?.value ?? null",
    replacement: "value: null",
    tests: bftTests
  },
  {
    name: "what is signed is not kept",
    file: "src/peer/BftConsensus.ts",
    text: "if (toSend.length > 0) yield* journal.write(running.journalEntry())",
    replacement: "",
    tests: ["test/peer/BftConsensus.test.ts"]
  }
]

/** The source with the mutant in it; throws unless its text is there exactly once. */
export const plant = ({ file, name, replacement, text }: Mutant, source: string): string => {
  const [before, after, ...others] = source.split(text)
  if (before === undefined || after === undefined || others.length > 0) {
    const count = source.split(text).length - 1
    throw new Error(`${file}: the text that "${name}" replaces is there ${count} times instead of once`)
  }
  return before + replacement + after
}
