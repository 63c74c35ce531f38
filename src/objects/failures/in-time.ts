import { timeoutErrorName } from "./unreached.ts";

/** What a call gives, or a rejection with a `TimeoutError` where it takes longer than `ms`; the call itself goes on. */
export async function inTime<T>(call: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new DOMException(`no answer within ${ms} ms`, timeoutErrorName)),
    ms,
  );
  try {
    return await Promise.race([call, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
