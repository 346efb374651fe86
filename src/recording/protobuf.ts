/**
 * As much of protobuf as two small messages need: https://protobuf.dev/programming-guides/encoding/ for the bytes,
 * google/protobuf/descriptor.proto for how a schema describes itself.
 */

/** The numbers of descriptor.proto. */
export const FieldType = {
  int64: 3,
  int32: 5,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
} as const;

export interface FieldDeclaration {
  readonly name: string;
  readonly number: number;
  readonly type: keyof typeof FieldType;
  /** Of a message: its full name with a dot before it. */
  readonly typeName?: string;
}

export interface FileDeclaration {
  /** Path, as in an import. */
  readonly name: string;
  readonly package: string;
  readonly imports?: readonly string[];
  readonly message: string;
  readonly fields: readonly FieldDeclaration[];
}

const VARINT = 0;
const LENGTH = 2;
const LABEL_OPTIONAL = 1;
const encoder = new TextEncoder();

/** A whole number of at most 53 bits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** A number, or false and true as 0 and 1; zero is what a missing field stands for. */
export const numberField = (field: number, value: number): Uint8Array =>
  Uint8Array.from(value === 0 ? [] : [...varint(field * 8 + VARINT), ...varint(value)]);

/** Bytes, a text, or the parts of a message. */
export function field(number: number, value: string | Uint8Array | readonly Uint8Array[]): Uint8Array {
  const parts =
    typeof value === 'string' ? [encoder.encode(value)] : value instanceof Uint8Array ? [value] : value;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return join([Uint8Array.from([...varint(number * 8 + LENGTH), ...varint(length)]), ...parts]);
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A google.protobuf.Timestamp. */
export const timestampField = (number: number, ns: bigint): Uint8Array =>
  field(number, [numberField(1, Number(ns / 1_000_000_000n)), numberField(2, Number(ns % 1_000_000_000n))]);

/** A serialised FileDescriptorSet: what readers build their decoders from. Files come after those that they import. */
export const descriptorSet = (files: readonly FileDeclaration[]): Uint8Array =>
  join(files.map((file) => field(1, describeFile(file))));

const describeFile = ({
  name,
  package: space,
  imports = [],
  message,
  fields,
}: FileDeclaration): Uint8Array[] => [
  field(1, name),
  field(2, space),
  ...imports.map((path) => field(3, path)),
  field(4, [field(1, message), ...fields.map((one) => field(2, describeField(one)))]),
  field(12, 'proto3'),
];

const describeField = ({ name, number, type, typeName }: FieldDeclaration): Uint8Array[] => [
  field(1, name),
  numberField(3, number),
  numberField(4, LABEL_OPTIONAL),
  numberField(5, FieldType[type]),
  ...(typeName === undefined ? [] : [field(6, typeName)]),
];
