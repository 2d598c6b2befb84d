/**
 * Items of a long list, written one after the other into pages, up to a number of bytes.
 */
import type { EncoderOf } from "./Writer.ts"

export interface Pages<A> {
  /** Adds an item, after a comma if it is not the first; false, and nothing added, when it does not fit any more. */
  readonly add: (item: A) => boolean
  /** The pages written. */
  readonly done: () => ReadonlyArray<Uint8Array>
}

export const makePages = <A>(encoder: EncoderOf<A>, maxBytes: number): Pages<A> => {
  const full: Array<Uint8Array> = []
  let page = Buffer.alloc(0)
  let used = 0
  let total = 0

  const turnPage = (room: number): void => {
    if (used > 0) full.push(page.subarray(0, used))
    page = Buffer.allocUnsafeSlow(Math.max(PAGE, room))
    used = 0
  }

  return {
    add: (item) => {
      const room = encoder.bound(item) + 1
      if (used + room > page.length) turnPage(room)
      const isFirst = total === 0
      if (!isFirst) page[used] = 0x2c
      const end = encoder.write(page, isFirst ? used : used + 1, item)
      if (total + end - used > maxBytes) return false
      total += end - used
      used = end
      return true
    },
    done: () => (used > 0 ? [...full, page.subarray(0, used)] : full)
  }
}

// --- internal ---

const PAGE = 64 * 1024
