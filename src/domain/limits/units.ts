/** In milliseconds, as all of these. */
export const second = 1000;
/** 60 seconds. */
export const minute = 60 * second;
/** 60 minutes. */
export const hour = 60 * minute;
/** 24 hours: no rule depends on a calendar. */
export const day = 24 * hour;
