/**
 * The vocabulary of the `wire` annotation: how a schema is written in the peer protocol.
 *
 * The protocol is serde's JSON of Rust types. The shape of most schemas says enough; the annotation adds what a shape
 * cannot say (a bigint may be u64 or i64, a struct may be written as a tuple). Field names are camelCase here and the
 * same words in snake_case on the wire. The codec compiler reads annotations, nothing else does.
 */
import * as Schema from "effect/Schema"

export type WireType =
  | { readonly kind: "u32" | "u64" | "i64" }
  /** An array of integers 0–255, of exactly `length` items unless that is null. */
  | { readonly kind: "bytes"; readonly length: number | null }
  /** 32 bytes that must decompress to a curve point. */
  | { readonly kind: "publicKey" }
  /** A struct written as an array of its fields in order, where the Rust side has a tuple. */
  | { readonly kind: "tuple" }
  /** A case of an enum: `"Tag"`, `{"Tag":value}`, `{"Tag":[a,b]}` or `{"Tag":{…}}`. */
  | { readonly kind: "case"; readonly form: "unit" | "newtype" | "tuple" | "struct" }
  /** A list that is refused on its count before its items are looked at. */
  | { readonly kind: "list"; readonly maxItems: number }

/** A struct that the Rust side writes as a tuple. */
export const tupleStruct = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).annotate({ wire: { kind: "tuple" } satisfies WireType })

/** An enum case without content: `"Tag"`. */
export const unitCase = <const Tag extends string>(tag: Tag) =>
  Schema.TaggedStruct(tag, {}).annotate({ wire: { kind: "case", form: "unit" } satisfies WireType })

/** An enum case around one value: `{"Tag":value}`. The value is the only field. */
export const newtypeCase = <const Tag extends string, const Fields extends Schema.Struct.Fields>(
  tag: Tag,
  fields: Fields
) => Schema.TaggedStruct(tag, fields).annotate({ wire: { kind: "case", form: "newtype" } satisfies WireType })

/** An enum case with unnamed fields: `{"Tag":[a,b]}`, in the order given. */
export const tupleCase = <const Tag extends string, const Fields extends Schema.Struct.Fields>(
  tag: Tag,
  fields: Fields
) => Schema.TaggedStruct(tag, fields).annotate({ wire: { kind: "case", form: "tuple" } satisfies WireType })

/** An enum case with named fields: `{"Tag":{"a":…,"b":…}}`, in the order given. */
export const structCase = <const Tag extends string, const Fields extends Schema.Struct.Fields>(
  tag: Tag,
  fields: Fields
) => Schema.TaggedStruct(tag, fields).annotate({ wire: { kind: "case", form: "struct" } satisfies WireType })
