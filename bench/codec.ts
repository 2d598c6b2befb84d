/**
 * The codec against JSON.parse and JSON.stringify, in one run, interleaved.
 *
 *   node bench/codec.ts
 *
 * JSON.parse loses digits of 64-bit numbers and gives arrays of numbers for hashes: it does less and is only a measure
 * of what the line costs at least. The second table is the longest decoding a peer can cause with one line.
 */
import { messageTags, type Message } from "../src/protocol/Message.ts"
import * as Wire from "../src/protocol/wire/Wire.ts"
import { masternodeLists, typicalMessages } from "./codec/TypicalMessages.ts"
import { worstLines } from "./codec/WorstLines.ts"
import { median } from "./measure/Median.ts"

const ROUNDS = 21
const ROUND_MILLIS = 15

/** Microseconds a call takes, for each of the functions, medians of interleaved rounds. */
const measure = (functions: ReadonlyArray<() => unknown>): ReadonlyArray<number> => {
  const timed = functions.map((run) => {
    let calls = 1
    while (millis(run, calls) < ROUND_MILLIS && calls < 1e6) calls *= 2
    return { run, calls, samples: [] as Array<number> }
  })
  for (let round = 0; round < ROUNDS; round++) {
    for (const { run, calls, samples } of timed) samples.push((millis(run, calls) * 1000) / calls)
  }
  return timed.map(({ samples }) => median(samples))
}

const millis = (run: () => unknown, calls: number): number => {
  const start = performance.now()
  for (let i = 0; i < calls; i++) run()
  return performance.now() - start
}

const micros = (value: number): string => (value >= 1000 ? `${(value / 1000).toFixed(2)} ms` : `${value.toFixed(2)} us`)

const rows = Object.entries(typicalMessages()).map(([name, message]) => {
  const line = Buffer.concat(Wire.encode(message as Message).chunks)
  const plain: unknown = JSON.parse(line.toString())
  const end = line.length - 1
  const [decode, parse, encode, stringify] = measure([
    () => Wire.decode(line, 0, end),
    () => JSON.parse(line.toString("latin1", 0, end)),
    () => Wire.encode(message as Message),
    () => Buffer.from(JSON.stringify(plain) + "\n", "latin1")
  ]) as [number, number, number, number]
  return {
    line: name,
    bytes: line.length,
    decode: micros(decode),
    "JSON.parse": micros(parse),
    "decode ratio": (decode / parse).toFixed(2),
    encode: micros(encode),
    "JSON.stringify": micros(stringify),
    "encode ratio": (encode / stringify).toFixed(2)
  }
})
console.table(rows)

const lists = masternodeLists().map((list) => Buffer.concat(Wire.encode(list).chunks))
let turn = 0
const [unknownKeys, knownKeys] = measure([
  () => {
    const list = lists[turn++ % lists.length]!
    return Wire.decode(list, 0, list.length - 1)
  },
  () => Wire.decode(lists[0]!, 0, lists[0]!.length - 1)
]) as [number, number]
console.log(`2,000 masternodes: ${micros(unknownKeys)} with keys never seen, ${micros(knownKeys)} with known keys`)

/** Each line is decoded twice and the faster time taken: most of such lines come once. */
const worst = messageTags.map((tag) => {
  const lines = worstLines(tag).map(({ what, line }) => {
    const decode = () => Wire.decode(line, 0, line.length - 1)
    const time = Math.min(millis(decode, 1), millis(decode, 1))
    return { variant: tag, line: what, MiB: (line.length / 1024 / 1024).toFixed(2), time }
  })
  return lines.reduce((slowest, next) => (next.time > slowest.time ? next : slowest))
})
console.table(worst.map(({ time, ...row }) => ({ ...row, "decode ms": time.toFixed(2) })))
