/**
 * Why a snapshot was not loaded, or cannot be made.
 */
import * as Schema from "effect/Schema"

/**
 * Nothing was written. Only `Unreadable` and `Failed` may pass by themselves: the others are about what the snapshot or
 * the directory holds.
 */
export class SnapshotError extends Schema.TaggedError<SnapshotError>()("SnapshotError", {
  reason: Schema.Literals([
    "NoSnapshot",
    "OtherFormat",
    "WrongNetwork",
    "Damaged",
    /** It is sound, but not the one whose hash was asked for. */
    "OtherHash",
    /** Its blocks do not follow its base by the rules. */
    "Invalid",
    /** There is a chain already. */
    "NotEmpty",
    /** The chain is too short, or begins too late, for a snapshot there. */
    "NotPossible",
    "Unreadable",
    "Failed"
  ]),
  detail: Schema.String
}) {}
