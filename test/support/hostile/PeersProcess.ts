/**
 * Honest or bad peers in a process of their own, so that what they cost is not taken for what the node costs.
 */
import { type ChildProcess, fork } from "node:child_process"
import { BadPeers, type BadKindName, type Fate } from "./BadPeers.ts"
import { HonestPeers, type Served } from "./HonestPeers.ts"
import type { Target } from "./RawPeer.ts"

/** Which peers, and where they come from: the three octets of a network on loopback. */
export interface Crowd {
  readonly target: Target
  readonly net: string
  readonly peers: number | BadKindName
}

/** A process in which the peers are connected. */
export class PeersProcess {
  private readonly child: ChildProcess

  private constructor(child: ChildProcess) {
    this.child = child
  }

  static async start(crowd: Crowd): Promise<PeersProcess> {
    const child = fork(import.meta.filename, [CHILD, JSON.stringify(crowd)])
    await next(child)
    return new PeersProcess(child)
  }

  /** Of honest peers: what they get within that time, or until they have got so many answers. */
  measure(millis: number, answers?: number): Promise<Served> {
    return this.ask([millis, answers])
  }

  /** Of bad peers: what has become of them so far. */
  fate(): Promise<Fate> {
    return this.ask("fate")
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null) return resolve()
      this.child.once("exit", () => resolve())
      this.child.kill("SIGKILL")
    })
  }

  private ask<A>(question: Measurement | "fate"): Promise<A> {
    const answer = next<A>(this.child)
    this.child.send(question)
    return answer
  }
}

// --- internal ---

type Measurement = readonly [millis: number, answers: number | undefined]

const next = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`the peers' process ended with ${code}`))
    child.once("exit", onExit)
    child.once("message", (message) => {
      child.off("exit", onExit)
      resolve(message as A)
    })
  })

/** The first argument of a child, by which this module knows that it is one. */
const CHILD = "--peers"

const runChild = async ({ net, peers, target }: Crowd): Promise<void> => {
  process.on("disconnect", () => process.exit())
  if (typeof peers === "number") {
    const honest = await HonestPeers.connect(target, net, peers)
    process.on("message", async ([millis, answers]: Measurement) =>
      // A hole in an array comes as null.
      process.send!(await honest.measure(millis, answers ?? undefined))
    )
  } else {
    const bad = await BadPeers.connect(target, net, peers)
    process.on("message", () => process.send!(bad.fate))
  }
  process.send!("ready")
}

if (process.argv[2] === CHILD) await runChild(JSON.parse(process.argv[3]!) as Crowd)
