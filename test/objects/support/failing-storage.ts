/**
 * An object's storage, of which writes can be made to fail as on a full disk.
 * @returns the storage, and the switch
 */
export function failingStorage(storage: DurableObjectStorage) {
  const failing = { storage, fails: false };
  const sql = new Proxy(storage.sql, {
    get: (target, name) => {
      if (name !== "exec") return Reflect.get(target, name);
      return (text: string, ...values: unknown[]) => {
        if (failing.fails && !/^\s*SELECT/.test(text))
          throw new Error("database or disk is full: SQLITE_FULL");
        return target.exec(text, ...values);
      };
    },
  });
  failing.storage = new Proxy(storage, {
    get: (target, name) => {
      if (name === "sql") return sql;
      const found: unknown = Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
  return failing;
}
