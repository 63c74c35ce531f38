type DefinedFields<T> = { [Field in keyof T]: Exclude<T[Field], undefined> };

/** The same fields without the undefined ones: the contract's optional fields are absent, never undefined. */
export function definedFields<T extends object>(fields: T): DefinedFields<T> {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as DefinedFields<T>;
}
