/**
 * Block heights: unsigned 64-bit, 0 is genesis.
 */
import * as Schema from "effect/Schema"
import { U64 } from "./Integer.ts"

export const Height = U64.pipe(Schema.brand("Height"))
export type Height = typeof Height.Type

/** Brands a height that is known to be in range, such as one computed from another height. */
export const height = (value: bigint | number): Height => BigInt(value) as Height

export const GENESIS_HEIGHT: Height = height(0n)
