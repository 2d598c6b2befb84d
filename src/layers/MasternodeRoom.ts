/**
 * Who gives way when the registry is full.
 *
 * Hearsay goes first. Among those that announced themselves, the network group that has most gives one up, and only for
 * a newcomer whose group has fewer: whoever owns one group displaces nobody outside it, however many addresses it has.
 */
import { toUnixSeconds } from "../protocol/Integer.ts"
import { networkGroup } from "../protocol/NetworkGroup.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { MasternodeEntry } from "./MasternodeEntry.ts"

/** The entry that goes for `newcomer`; undefined when it has to wait. */
export const givesWay = (
  entries: ReadonlyArray<MasternodeEntry>,
  newcomer: PeerId,
  now: number
): MasternodeEntry | undefined => {
  const hearsay = entries.find(({ source }) => source === "hinted")
  if (hearsay !== undefined) return hearsay
  const sizes = new Map<string, number>()
  for (const { group } of entries) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  const own = networkGroup(newcomer)
  const [largest, size] = [...sizes].reduce((most, each) => (each[1] > most[1] ? each : most))
  const isCrowded = size > (sizes.get(own) ?? 0) + 1
  const group = isCrowded ? largest : own
  const at = toUnixSeconds(now)
  let silent: MasternodeEntry | undefined
  let youngest: MasternodeEntry | undefined
  for (const entry of entries) {
    if (entry.group !== group || entry.source === "own") continue
    if (youngest === undefined || entry.firstSeen >= youngest.firstSeen) youngest = entry
    if ((silent === undefined || entry.lastSeen < silent.lastSeen) && !entry.isActiveAt(at)) silent = entry
  }
  // Of active ones the last to come goes: those that have been there for long are the network's.
  return silent ?? (isCrowded ? youngest : undefined)
}
