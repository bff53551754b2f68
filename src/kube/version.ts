/**
 * Whether resourceVersion `a` is later than `b`. They are decimal integers that count all writes of a cluster and may
 * outgrow a double: the longer is the greater, equally long ones compare as text. The empty version is the oldest.
 */
export function newerVersion(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
