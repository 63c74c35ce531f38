type DefinedFields<T> = { [Field in keyof T]: Exclude<T[Field], undefined> };

/** The same fields without the undefined ones: the contract's optional fields are absent, never undefined. */
export function definedFields<T extends object>(fields: T): DefinedFields<T> {
  const kept: Partial<T> = {};
  for (const field in fields) if (fields[field] !== undefined) kept[field] = fields[field];
  return kept as DefinedFields<T>;
}
